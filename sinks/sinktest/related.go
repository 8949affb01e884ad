package sinktest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"b24export/schemas"
	"b24export/sinks"
)

// companies returns n rows of a related table. Their names contain the version.
func companies(n int, version string) []schemas.Company {
	rows := make([]schemas.Company, n)
	for i := range rows {
		rows[i] = schemas.Company{ID: int64(3*i + 1), Name: schemas.Some(fmt.Sprintf("%s %d", version, i))}
	}
	return rows
}

// putRelated replaces the table of companies in a new process, under the lease.
func (w *world) putRelated(store sinks.Store, rows []schemas.Company) error {
	d := w.dataset(store)
	ctx := w.t.Context()
	if _, err := d.Begin(ctx); err != nil {
		return err
	}
	_, err := sinks.PutRelated(ctx, d, schemas.CompanyTable, sinks.Related{ReadAt: w.now, Requests: 1}, func(add func(*schemas.Company) error) error {
		for i := range rows {
			if err := add(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, d.End(context.WithoutCancel(ctx)))
}

// wantRelated checks that the description names an allowed number of rows, and that
// readers see a whole table.
func (w *world) wantRelated(where string, allowed ...int64) {
	w.t.Helper()
	d := w.dataset(w.store)
	found, err := d.VerifyRelated(w.t.Context())
	if err != nil || len(found) > 0 {
		w.t.Fatalf("%s: verify: found %v, error %v", where, found, err)
	}
	m, err := d.Related(w.t.Context(), "companies")
	if err != nil {
		w.t.Fatalf("%s: %v", where, err)
	}
	for _, rows := range allowed {
		if m.Rows == rows {
			return
		}
	}
	w.t.Fatalf("%s: the table has %d rows, want one of %v", where, m.Rows, allowed)
}

// testRelatedDeaths kills a run that replaces a related table at each of its effects,
// and then the next run at each of its effects. After each death, the table is whole
// and is described, or its description is on the way. The run after that has the same
// result as if no run had died.
func testRelatedDeaths(t *testing.T, open func(*testing.T) sinks.Store) {
	kill := func(w *world, answer Answer, k int64, rows []schemas.Company) (died bool, at Effect) {
		return w.die(answer, k, func(store sinks.Store) error { return w.putRelated(store, rows) })
	}
	for _, answer := range []Answer{Refuse, DoAndFail} {
		for _, second := range []int{20, 0} {
			for k := int64(1); k < 100; k++ {
				w := newWorld(t, open)
				if err := w.putRelated(w.store, companies(10, "first")); err != nil {
					t.Fatal(err)
				}
				w.wantRelated("before", 10)
				died, at := kill(w, answer, k, companies(second, "second"))
				where := fmt.Sprintf("death %d of the run with %d rows, at %s", k, second, at)
				w.wantRelated(where, 10, int64(second))
				// A quarter of the next run's deaths is enough; k selects the quarter.
				for next := k%4 + 1; next < 16; next += 4 {
					_, at := kill(w, answer, next, companies(30, "third"))
					w.wantRelated(fmt.Sprintf("%s; then death %d, at %s", where, next, at), 10, int64(second), 30)
				}
				if err := w.putRelated(w.store, companies(40, "last")); err != nil {
					t.Fatalf("%s: the run after: %v", where, err)
				}
				w.wantRelated(where, 40)
				if !died {
					break
				}
			}
		}
	}
}
