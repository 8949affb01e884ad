package main

import (
	"fmt"
	"math"
	"testing"

	"b24export/pipeline"
)

// The rows of the range are those that meet the conditions, as far as the conditions
// are about id.
func TestIDRange(t *testing.T) {
	for _, tt := range []struct {
		where          []string
		after, through pipeline.PaymentID
	}{
		{nil, 0, math.MaxInt64},
		{[]string{"id=7"}, 6, 7},
		{[]string{"id>3 and id<=9"}, 3, 9},
		{[]string{"id>=3", "id<9", "sum>5"}, 2, 8},
		{[]string{"id=7 and id=8"}, 7, 7},
		{[]string{"id!=7", "paid=true"}, 0, math.MaxInt64},
		{[]string{"id!=null", "id=null"}, 0, math.MaxInt64},
		{[]string{"id=5", "nonsense"}, 0, math.MaxInt64},
		{[]string{fmt.Sprint("id=", math.MinInt64)}, 0, 0},
		{[]string{fmt.Sprint("id<", math.MinInt64)}, 0, 0},
		{[]string{fmt.Sprint("id>=", math.MinInt64)}, 0, math.MaxInt64},
		{[]string{fmt.Sprint("id>", math.MaxInt64)}, math.MaxInt64, math.MaxInt64},
	} {
		got := (&catFlags{where: tt.where}).ids()
		if got != (pipeline.Range{After: tt.after, Through: tt.through}) {
			t.Errorf("%q: %+v, want %+v", tt.where, got, pipeline.Range{After: tt.after, Through: tt.through})
		}
	}
}
