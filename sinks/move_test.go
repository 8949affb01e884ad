package sinks_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"b24export/pipeline"
	"b24export/sinks"
	"b24export/sinks/sinktest"
)

func TestMovesInMemory(t *testing.T) {
	t.Parallel()
	every := int64(1)
	if testing.Short() {
		every = 5 // the race detector makes them slow
	}
	sinktest.RunMoves(t, openMemory, every)
}

func TestMovesInFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute on a slow disk; the suite of stores tries some of these deaths in a folder")
	}
	sinktest.RunMoves(t, openFolder, 5)
}

// A dataset may have the name of another dataset's related table. Their tables are then in
// one folder, and Forget deletes only those of its own dataset.
func TestForgetKeepsOtherDatasets(t *testing.T) {
	const folder = "payments_orders/portal=acme/"
	store := openMemory(t)
	table := map[string]string{"payments": folder + "orders.parquet", "payments_orders": folder + "payments_orders.parquet"}
	for name, key := range table {
		data := sinks.New(store, &sinks.Options{Name: name, Portal: "acme"})
		if err := data.RecordAttempt(t.Context(), sinks.Attempt{}); err != nil {
			t.Fatal(err)
		}
		if err := store.Put(t.Context(), key, func(w io.Writer) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for name, key := range table {
		paths, err := sinks.New(store, &sinks.Options{Name: name, Portal: "acme"}).Forget(t.Context(), true)
		if want := []string{key, "_state/" + name + "/portal=acme/attempt.json"}; err != nil || !slices.Equal(paths, want) {
			t.Errorf("forget of %s deletes %q (%v), want %q", name, paths, err, want)
		}
	}
}

// While a run of the portal, or of the portal's new name, is under way, Forget and
// Rename fail. They also fail if there is no dataset, or if the new name is taken.
func TestMovesRefused(t *testing.T) {
	store := openMemory(t)
	data := func(portal string) *sinks.Dataset { return sinks.New(store, &sinks.Options{Portal: portal}) }
	forget := func(portal string) error {
		_, err := data(portal).Forget(t.Context(), false)
		return err
	}
	rename := func(from, to string) error { return sinks.Rename(t.Context(), data(from), data(to)) }
	for what, err := range map[string]error{"forget": forget("acme"), "rename": rename("acme", "beta")} {
		if !errors.Is(err, sinks.ErrNothing) {
			t.Errorf("%s where there is nothing: %v", what, err)
		}
	}
	for _, portal := range []string{"acme", "beta"} {
		if err := data(portal).RecordAttempt(t.Context(), sinks.Attempt{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := rename("acme", "beta"); err == nil || errors.Is(err, sinks.ErrNothing) {
		t.Errorf("rename to a name that is taken: %v", err)
	}
	if err := rename("acme", "acme"); err == nil {
		t.Error("rename to the same name succeeds")
	}
	if err := rename("acme", "Beta"); err == nil {
		t.Error("rename to a name that is none succeeds")
	}
	if err := forget("beta"); err != nil {
		t.Fatal(err)
	}
	for _, runner := range []*sinks.Dataset{data("acme"), data("acme").Backfill(), data("beta")} {
		if _, err := runner.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		held := map[string]error{"rename": rename("acme", "beta")}
		if runner.CurrentPath() == data("acme").CurrentPath() {
			held["forget"] = forget("acme")
		}
		for what, err := range held {
			if _, ok := errors.AsType[*pipeline.HeldError](err); !ok {
				t.Errorf("%s beside a run: %v", what, err)
			}
		}
		if err := runner.End(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := data("acme").Forget(t.Context(), true)
	if err != nil || len(paths) != 1 {
		t.Errorf("forget, dry run: %q, %v", paths, err)
	}
	if left, err := sinks.LeftOvers(t.Context(), store, "payments", nil); err != nil || len(left) != 0 {
		t.Errorf("left over without a manifest: %v, %v", left, err)
	}
	if err := rename("acme", "beta"); err != nil {
		t.Error(err)
	}
}
