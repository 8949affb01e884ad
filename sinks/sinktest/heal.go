package sinktest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"b24export/pipeline"
	"b24export/sinks"
)

// interrupt ends the second run of a dataset before it writes its n-th checkpoint, and
// returns the newest checkpoint.
func (w *world) interrupt(p *portal, n int) pipeline.Checkpoint {
	w.t.Helper()
	_, err := w.run(Faulty(w.store, func(e Effect) Answer {
		if e.Kind == Create && strings.Contains(e.Key, "/checkpoint-") {
			if n--; n <= 0 {
				return Refuse
			}
		}
		return Do
	}), p)
	if !errors.Is(err, ErrInjected) {
		w.t.Fatalf("the interrupted run ended with %v", err)
	}
	w.later()
	return mustState(w.t, w).Checkpoint
}

// damage changes an object.
func (w *world) damage(key, how string) {
	w.t.Helper()
	data, err := w.store.Read(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	switch how {
	case "missing":
		if err := w.store.Delete(w.t.Context(), key); err != nil {
			w.t.Fatal(err)
		}
		return
	case "a bit flipped":
		data[len(data)/2] ^= 4
	case "cut":
		data = data[:len(data)-7]
	case "empty":
		data = nil
	}
	err = w.store.Put(w.t.Context(), key, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// testLostSegments loses or damages segments of an unfinished run. The next run reads
// their payments again, and no others.
func testLostSegments(t *testing.T, open func(*testing.T) sinks.Store) {
	for _, how := range []string{"missing", "a bit flipped", "cut", "empty"} {
		for _, which := range []string{"rows", "rejects", "all"} {
			t.Run(fmt.Sprintf("%s, %s", which, how), func(t *testing.T) {
				w := newWorld(t, open)
				w.workers = 1 // chunks are collected in order, so segments have the same size
				d := w.dataset(w.store)
				p := newPortal(240)
				for _, i := range []int{3, 30} {
					p.refused[p.rows[i].ID] = true
				}
				cp := w.interrupt(p, 5)
				if cp.Phase != pipeline.Fetching || len(cp.Segments) < 3 {
					t.Fatalf("phase %s, %d segments", cp.Phase, len(cp.Segments))
				}
				var lost []pipeline.Segment
				for i, seg := range cp.Segments {
					if seg.Rejects > 0 && which != "rows" {
						w.damage(fmt.Sprintf("%ssegment-%08d.rejects.parquet", d.StatePath(), seg.Number), how)
						lost = append(lost, seg)
					} else if i == 1 || which == "all" {
						w.damage(fmt.Sprintf("%ssegment-%08d.parquet", d.StatePath(), seg.Number), how)
						lost = append(lost, seg)
					}
				}
				found, err := d.CheckSegments(t.Context(), cp)
				if err != nil || len(found) != len(lost) {
					t.Errorf("check: found %v, error %v; want %d", found, err, len(lost))
				}
				for _, err := range found {
					if !errors.Is(err, sinks.ErrDamaged) || !strings.Contains(err.Error(), "segment") {
						t.Errorf("check: %v", err)
					}
				}
				p.gets = make(map[int64]bool)
				m := w.mustRun(p)
				w.verify(m)
				if !slices.Equal(w.rows(d.CurrentPath()), p.table(nil)) {
					t.Error("the table is not the portal's")
				}
				for id := range p.gets {
					again := pipeline.PaymentID(id) > cp.Done
					for _, seg := range lost {
						again = again || seg.Range.After < pipeline.PaymentID(id) && pipeline.PaymentID(id) <= seg.Range.Through
					}
					if !again {
						t.Errorf("payment %d was read again", id)
					}
				}
				w.wantKeys(append(w.filesOf(m), d.CurrentPath())...)
			})
		}
	}
}
