package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"b24export/schemas"
	"b24export/sinks"
	"b24export/sinks/sinktest"
)

// later is the clock of runs that begin some hours from now.
func later() time.Time { return time.Now().Add(3 * time.Hour) }

// putUsers replaces the related table of users by n rows, under the lease.
func putUsers(t *testing.T, d *sinks.Dataset, n int) error {
	t.Helper()
	if _, err := d.Begin(t.Context()); err != nil {
		return err
	}
	_, err := sinks.PutRelated(t.Context(), d, schemas.UserTable, sinks.Related{ReadAt: time.Now()}, func(add func(*schemas.User) error) error {
		for i := range n {
			if err := add(&schemas.User{ID: int64(i + 1), Name: schemas.Some(fmt.Sprint("user ", n))}); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, d.End(context.WithoutCancel(t.Context())))
}

// wantUsers fails the test unless the table of users has n rows and is that of its
// description.
func wantUsers(t *testing.T, d *sinks.Dataset, n int64) {
	t.Helper()
	found, err := d.VerifyRelated(t.Context())
	if err != nil || len(found) > 0 {
		t.Errorf("verify: %v, %v", found, err)
	}
	if m, err := d.Related(t.Context(), "users"); err != nil || m.Rows != n {
		t.Errorf("described as %+v, error %v; want %d rows", m, err, n)
	}
}

// A run dies when it has replaced a related table and not yet its description. The next run
// sweeps, and may not be able to read the table again; or there is no next run before the
// portal is renamed. In both cases the new table is described.
func TestDescriptionOfARelatedTable(t *testing.T) {
	for _, tt := range []struct {
		name, portal string
		next         func(t *testing.T, s sinks.Store) error
	}{
		{"prune", "acme", func(t *testing.T, s sinks.Store) error {
			_, err := sinks.New(s, &sinks.Options{Portal: "acme", Now: later}).Prune(t.Context(), false)
			return err
		}},
		{"a run", "acme", func(t *testing.T, s sinks.Store) error {
			d := sinks.New(s, &sinks.Options{Portal: "acme", Now: later})
			state, err := d.Begin(t.Context())
			if err == nil {
				err = errors.Join(d.Sweep(t.Context(), state.Checkpoint), d.End(t.Context()))
			}
			return err
		}},
		{"rename", "beta", func(t *testing.T, s sinks.Store) error {
			return sinks.Rename(t.Context(), sinks.New(s, &sinks.Options{Portal: "acme", Now: later}), sinks.New(s, &sinks.Options{Portal: "beta", Now: later}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := openMemory(t)
			data := func(s sinks.Store, portal string) *sinks.Dataset { return sinks.New(s, &sinks.Options{Portal: portal}) }
			if err := putUsers(t, data(store, "acme"), 3); err != nil {
				t.Fatal(err)
			}
			died := false
			dying := sinktest.Faulty(store, func(e sinktest.Effect) sinktest.Answer {
				if died = died || strings.HasSuffix(e.Key, "/related/users.json"); died {
					return sinktest.Refuse
				}
				return sinktest.Do
			})
			if err := putUsers(t, data(dying, "acme"), 5); !errors.Is(err, sinktest.ErrInjected) {
				t.Fatalf("the run that dies: %v", err)
			}
			if found, err := data(store, "acme").VerifyRelated(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("after the death: %v, %v", found, err)
			}
			if err := tt.next(t, store); err != nil {
				t.Fatal(err)
			}
			wantUsers(t, data(store, tt.portal), 5)
		})
	}
}

// noCopies is a store that reports copies that it does not make.
type noCopies struct{ sinks.Store }

func (noCopies) Copy(context.Context, string, string) error { return nil }
func (noCopies) Link(context.Context, string, string) error { return nil }

// If the server reports a copy and does not make it, the bytes are downloaded and uploaded.
func TestRelatedCopyThatIsNotMade(t *testing.T) {
	d := sinks.New(noCopies{openMemory(t)}, &sinks.Options{Portal: "acme"})
	for _, n := range []int{3, 5} {
		if err := putUsers(t, d, n); err != nil {
			t.Fatal(err)
		}
		wantUsers(t, d, int64(n))
	}
}

// The same for a rename, which deletes what it has copied.
func TestRenameWithCopiesThatAreNotMade(t *testing.T) {
	memory := openMemory(t)
	data := func(s sinks.Store, portal string) *sinks.Dataset { return sinks.New(s, &sinks.Options{Portal: portal}) }
	if err := putUsers(t, data(memory, "acme"), 3); err != nil {
		t.Fatal(err)
	}
	if err := data(memory, "acme").RecordAttempt(t.Context(), sinks.Attempt{Exit: 1}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{data(memory, "acme").CurrentPath(), data(memory, "acme").HistoryPath("20261122T020000Z")} {
		if err := memory.Put(t.Context(), key, func(w io.Writer) error { _, err := io.WriteString(w, "rows"); return err }); err != nil {
			t.Fatal(err)
		}
	}
	store := noCopies{memory}
	if err := sinks.Rename(t.Context(), data(store, "acme"), data(store, "beta")); err != nil {
		t.Fatal(err)
	}
	beta := data(memory, "beta")
	wantUsers(t, beta, 3)
	for _, key := range []string{beta.CurrentPath(), beta.HistoryPath("20261122T020000Z")} {
		if text, err := memory.Read(t.Context(), key); err != nil || string(text) != "rows" {
			t.Errorf("%s has %q, error %v", key, text, err)
		}
	}
	if s, err := beta.Status(t.Context()); err != nil || s.Attempt == nil || s.Attempt.Exit != 1 {
		t.Errorf("status %+v, error %v", s, err)
	}
}

// A run replaces a damaged description of a related table, so it does not hold up a rename.
func TestRenameWithADamagedDescription(t *testing.T) {
	store := openMemory(t)
	acme, beta := sinks.New(store, &sinks.Options{Portal: "acme"}), sinks.New(store, &sinks.Options{Portal: "beta"})
	if err := putUsers(t, acme, 3); err != nil {
		t.Fatal(err)
	}
	const description = "_runs/payments/portal=acme/related/users.json"
	if err := store.Put(t.Context(), description, func(w io.Writer) error { _, err := io.WriteString(w, "{"); return err }); err != nil {
		t.Fatal(err)
	}
	if err := sinks.Rename(t.Context(), acme, beta); err != nil {
		t.Fatal(err)
	}
	if err := putUsers(t, beta, 5); err != nil {
		t.Fatal(err)
	}
	wantUsers(t, beta, 5)
}
