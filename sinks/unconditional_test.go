package sinks

import (
	"context"
	"errors"
	"testing"
)

// refusing is a store that refuses conditional writes, as some servers do with 501.
type refusing struct{ Store }

func (refusing) Create(context.Context, string, []byte) error {
	return errors.New("501 NotImplemented")
}

// With unsafe_no_fencing, such a store works.
func TestStoreThatRefusesConditions(t *testing.T) {
	for _, unsafe := range []bool{false, true} {
		d := New(refusing{memStore(t)}, &Options{Portal: "acme", UnsafeNoFencing: unsafe})
		if _, err := d.Begin(t.Context()); (err == nil) != unsafe {
			t.Errorf("unsafe %v: begin: %v", unsafe, err)
		}
		if err := d.End(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
