package sinks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// No bit of a stored checkpoint can flip without an error, unless the meaning stays the
// same: a flip in the name of the checksum's field leaves the rest as it was.
func TestFlippedBitsOfACheckpoint(t *testing.T) {
	want := seedCheckpoint()
	data, err := encodeCheckpoint(want)
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			got, err := decodeCheckpoint(data, want.Number)
			data[i] ^= 1 << bit
			if err != nil {
				continue
			}
			accepted++
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bit %d of byte %d: another checkpoint is accepted (-want +got):\n%s", bit, i, diff)
			}
		}
	}
	if accepted > 8*len(`"checksum"`) {
		t.Errorf("%d of %d flips are accepted", accepted, 8*len(data))
	}
}
