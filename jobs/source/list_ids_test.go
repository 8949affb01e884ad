package source

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/jobs/jobfile"
)

// A range of ids ends, also at the largest id.
func TestRangeOfIDs(t *testing.T) {
	const most = math.MaxInt64
	for _, tt := range []struct {
		from, to, after int64
		want            []int64
	}{
		{3, 5, 0, []int64{3, 4, 5}},
		{3, 5, 3, []int64{4, 5}},
		{3, 5, 5, nil},
		{most - 1, most, 0, []int64{most - 1, most}},
		{most - 1, most, most - 1, []int64{most}},
		{most - 1, most, most, nil},
	} {
		g := &givenIDs{IDsSpec: jobfile.IDsSpec{From: tt.from, To: tt.to}}
		var got []int64
		for id, err := range g.above(tt.after) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, id); len(got) > 3 {
				break
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d to %d above %d (-want +got):\n%s", tt.from, tt.to, tt.after, diff)
		}
	}
}
