package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fillingTable has rows in which only a listing shows the value's last digit.
var fillingTable = Table[row]{
	ID:     rowTable.ID,
	Same:   rowTable.Same,
	ReadAt: rowTable.ReadAt,
	Fill: func(listed, last *row, _ uint64) (row, bool) {
		filled := *last
		filled.value = listed.value
		return filled, listed.value/10 == last.value/10
	},
}

// A row that differs only in what the listing alone shows is written without a get. If
// it was refused before, it is fetched.
func TestFilledRowsAreNotGot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(3000), newMemory(t)
		p.refuse = map[PaymentID]bool{30: true}
		cfg := config(p, m)
		cfg.Table, cfg.Mode = fillingTable, Incremental
		mustRun(t, cfg)
		p.gets, p.refuse = map[PaymentID]int{}, nil
		for id, r := range p.rows {
			r.value = r.value/10*10 + 7 // a new column, in most rows
			p.rows[id] = r
		}
		changed := p.rows[600]
		changed.value += 1000
		p.rows[600] = changed
		time.Sleep(time.Hour)
		s := mustRun(t, cfg)
		if diff := cmp.Diff(p.truth(), values(m.current), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("table (-want +got):\n%s", diff)
		}
		if n := p.getsSum(); n != 2 {
			t.Errorf("%d gets, want those of the changed and of the rejected payment: %v", n, p.gets)
		}
		// One of ten values ended in 7 before.
		if want := (Ledger{Listed: 3000, Got: 2, Carried: 2998, Filled: 2698}); s.Manifest.Ledger != want {
			t.Errorf("ledger %+v, want %+v", s.Manifest.Ledger, want)
		}
		if want := (Changes{Insert: 1, Update: 2699}); s.Manifest.Changes != want {
			t.Errorf("changes %+v, want %+v", s.Manifest.Changes, want)
		}
	})
}
