package sinks

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// memStore returns a store in memory, without the delays of a disk or a network.
func memStore(t *testing.T) Store {
	t.Helper()
	s, err := OpenStore(t.Context(), "mem://", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func begin(t *testing.T, s Store, runner string) (*Dataset, error) {
	t.Helper()
	d := New(s, &Options{Portal: "acme", Runner: runner})
	_, err := d.Begin(t.Context())
	return d, err
}

// sleep advances the time of a bubble.
func sleep(d time.Duration) { <-time.After(d) }

func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memStore(t)
		a, err := begin(t, s, "a")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var held *pipeline.HeldError
		for range 10 {
			sleep(59 * time.Second)
			if _, err := begin(t, s, "b"); !errors.As(err, &held) {
				t.Fatalf("after %s: error %v, want a HeldError", time.Since(start), err)
			}
			if !held.Since.Equal(start) || time.Until(held.Until) < 40*time.Second {
				t.Errorf("after %s: held since %s until %s", time.Since(start), held.Since, held.Until)
			}
		}
		if err := a.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, err := begin(t, s, "b")
		if err != nil {
			t.Fatalf("after the end: %v", err)
		}
		if err := b.End(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestALeaseThatIsNotRenewedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memStore(t)
		a, err := begin(t, s, "a")
		if err != nil {
			t.Fatal(err)
		}
		a.held.stop() // as if it had died
		<-a.held.ended
		start := time.Now()
		for {
			b, err := begin(t, s, "b")
			if err == nil {
				if err := b.End(t.Context()); err != nil {
					t.Error(err)
				}
				break
			}
			sleep(time.Second)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("free after %s, want 1m0s", took)
		}
	})
}

func TestALostLeaseFences(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, s Store, d *Dataset){
		"taken over": func(t *testing.T, s Store, d *Dataset) {
			putText(t, s, d.lease(d.held.number+1), `{"version":1,"runner":"b","holder":"b/1","expires":"2999-01-01T00:00:00Z"}`)
		},
		"another one's": func(t *testing.T, s Store, d *Dataset) {
			putText(t, s, d.lease(d.held.number), `{"version":1,"runner":"b","holder":"b/1","expires":"2999-01-01T00:00:00Z"}`)
		},
		"gone": func(t *testing.T, s Store, d *Dataset) {
			if err := s.Delete(t.Context(), d.lease(d.held.number)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memStore(t)
				a, err := begin(t, s, "a")
				if err != nil {
					t.Fatal(err)
				}
				lose(t, s, a)
				cp := pipeline.Checkpoint{Version: 1, Number: 1, Runner: "a", Snapshot: "20261122T020000Z", Phase: pipeline.Fetching}
				if err := a.Commit(t.Context(), cp); err != nil {
					t.Errorf("commit before it could know: %v", err)
				}
				sleep(20*time.Second + time.Millisecond)
				cp.Number = 2
				for op, err := range map[string]error{
					"commit":  a.Commit(t.Context(), cp),
					"publish": a.Publish(t.Context(), &pipeline.Manifest{}),
					"sweep":   a.Sweep(t.Context(), cp),
				} {
					if !errors.Is(err, pipeline.ErrFenced) {
						t.Errorf("%s: error %v, want ErrFenced", op, err)
					}
				}
				if _, err := a.WriteSegment(t.Context(), 2, pipeline.Part[schemas.Payment]{}); !errors.Is(err, pipeline.ErrFenced) {
					t.Errorf("write: error %v, want ErrFenced", err)
				}
				if _, err := a.Merge(t.Context(), cp, nil); !errors.Is(err, pipeline.ErrFenced) {
					t.Errorf("merge: error %v, want ErrFenced", err)
				}
				if err := a.End(t.Context()); err != nil {
					t.Errorf("end: %v", err)
				}
				if name == "gone" {
					return
				}
				var held *pipeline.HeldError
				if _, err := begin(t, s, "c"); !errors.As(err, &held) || held.Holder != "b/1" {
					t.Errorf("a third runner: error %v, want b's lease to hold", err)
				}
			})
		})
	}
}

func TestAStorageThatIsAwayDoesNotLoseTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		s := srv.store(&StoreOptions{Patience: 10 * time.Second})
		a, err := begin(t, s, "a")
		if err != nil {
			t.Fatal(err)
		}
		srv.script(func(string, string) error { return errBusy })
		sleep(5 * time.Minute)
		srv.script(nil)
		sleep(time.Minute)
		if err := a.Commit(t.Context(), pipeline.Checkpoint{Version: 1, Number: 1, Snapshot: "20261122T020000Z", Phase: pipeline.Fetching}); err != nil {
			t.Errorf("commit after the storage came back: %v", err)
		}
		var held *pipeline.HeldError
		if _, err := begin(t, s, "b"); !errors.As(err, &held) {
			t.Errorf("a second runner: error %v, want a HeldError", err)
		}
		if err := a.End(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestACutLeaseCountsFromItsWriting(t *testing.T) {
	s := memStore(t)
	putText(t, s, "_state/payments/portal=acme/lease-00000007.json", `{"version":1,"run`)
	var held *pipeline.HeldError
	if _, err := begin(t, s, "a"); !errors.As(err, &held) || held.Holder != "an unknown process" {
		t.Errorf("error %v, want a HeldError", err)
	}
	d := New(s, &Options{Portal: "acme", Now: func() time.Time { return time.Now().Add(2 * time.Minute) }})
	if _, err := d.Begin(t.Context()); err != nil {
		t.Errorf("a lease's length later: %v", err)
	}
	if d.held.number != 8 {
		t.Errorf("lease number %d, want 8", d.held.number)
	}
	if err := d.End(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	d := New(memStore(t), &Options{Name: "Pay/ments", Portal: "..", Compression: "rar", RowGroupRows: -1, History: -1})
	_, err := d.Begin(t.Context())
	if err == nil {
		t.Fatal("senseless options were taken")
	}
	for _, want := range []string{`"Pay/ments"`, `".."`, `"rar"`, "row_group_rows -1", "history -1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
	if err := d.Commit(t.Context(), pipeline.Checkpoint{}); err == nil {
		t.Error("commit with senseless options")
	}
	if err := New(memStore(t), &Options{Portal: "acme"}).Commit(t.Context(), pipeline.Checkpoint{}); err == nil {
		t.Error("commit before begin")
	}
}
