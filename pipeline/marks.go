package pipeline

import (
	"cmp"
	"maps"
	"slices"
)

// A listing may permanently show another value than a get: the payment system's current
// name, or a date that it cannot show. If such a payment were compared with its row, it
// would seem changed each night. If a fetched row differs from what was listed, the run
// therefore stores a mark of the row, which represents what the listing showed. A later
// listing is compared with the mark. On most portals no row has one.
//
// Marks follow their rows: through segments, merges, and snapshots in which nothing has
// changed. They are not essential: a payment whose mark is lost is compared with its
// row, and fetched once more.

// marked records the mark of a row of the chunk.
func (c *chunk[R]) marked(id PaymentID, mark uint64) {
	if mark != 0 {
		c.marks = append(c.marks, Mark{id, mark})
	}
}

// markGot records the marks of rows that were fetched for a chunk's listed payments.
func (r *run[R]) markGot(res *result[R]) {
	if r.Table.Mark == nil || len(res.got.Rows) == 0 {
		return
	}
	at := 0
	for i := range res.got.Rows {
		row := &res.got.Rows[i]
		// Rows usually have the order of the chunk.
		id := r.Table.ID(row)
		for tried := 0; res.get[at].ID != id && tried < len(res.get); tried++ {
			at = (at + 1) % len(res.get)
		}
		// Without listed values there is nothing to compare with later.
		if item := &res.get[at]; !item.Unread {
			res.marked(item.ID, r.Table.Mark(&item.Row, row))
		}
	}
}

// complete sets the values that this listing cannot show to the known ones.
func (l *lister[R]) complete(item *Listed[R], was *R) {
	if l.Table.Keep != nil && item.Reject == nil && !item.Unread && !item.Missing {
		l.Table.Keep(&item.Row, was)
	}
}

// reasons counts the payments that an incremental run fetches although the last
// snapshot has them, by the column of the listing that caused it.
type reasons struct {
	payments int64
	columns  map[string]int64
}

// because records why a payment is fetched again.
func (l *lister[R]) because(item *Listed[R], was *R) {
	if l.mode != Incremental || l.Table.Differs == nil || item.Reject != nil || item.Unread {
		return
	}
	l.why.payments++
	if l.why.columns == nil {
		l.why.columns = make(map[string]int64)
	}
	for _, name := range l.Table.Differs(&item.Row, was) {
		l.why.columns[name]++
	}
}

// add adds the reasons that another part of the listing has recorded.
func (w *reasons) add(other reasons) {
	w.payments += other.payments
	for name, n := range other.columns {
		if w.columns == nil {
			w.columns = make(map[string]int64)
		}
		w.columns[name] += n
	}
}

// column returns the column that caused most gets, "" if none did.
func (w *reasons) column() string {
	names := slices.SortedFunc(maps.Keys(w.columns), func(a, b string) int {
		return cmp.Or(-cmp.Compare(w.columns[a], w.columns[b]), cmp.Compare(a, b))
	})
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// warnOfNeedlessGets logs that the run fetched more than half of a table in which
// almost nothing had changed, and the column of the listing that caused it.
func (r *run[R]) warnOfNeedlessGets(updated int64) {
	w := &r.why
	if 2*w.payments <= r.cp.Ledger.Listed || 10*updated > w.payments || w.column() == "" {
		return
	}
	r.Log.Warn("most payments were fetched again without a change: the listing shows a column differently from a get. "+
		"The next run compares with what this listing showed; if this comes back, the listing shows another value each time",
		"fetched", w.payments, "changed", updated, "column", w.column())
}
