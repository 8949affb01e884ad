package jobs_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// One text that the portal cannot encode fails the whole answer. The payment with that
// text becomes a reject that keeps its last known row, and all others are read.
func TestTextThatCannotBeEncoded(t *testing.T) {
	for _, job := range []string{
		"", "mode: full", "source: {enrich: list}", "source: {since: orders}", "source: {batch: never}",
		"source: {list: ids, ids: {from: 1, to: 2000}}",
	} {
		bubble(t, job, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 700, AllowRegets: true, Strict: t})
			bad := []int64{portal.ID(20), portal.ID(333), portal.ID(334), portal.ID(699)}
			isBad := func(p bitrixtest.Payment) bool { return slices.Contains(bad, p.ID) }
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = bad })
			e := newBubbleJob(t, portal, job)
			l := e.run(t, jobs.ExitRejects).Summary.Ledger
			if l.Rejected != int64(len(bad)) {
				t.Errorf("ledger %+v, want %d rejects", l, len(bad))
			}
			e.wantTable(t, portal, isBad)

			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = nil })
			e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)

			if strings.Contains(job, "orders") {
				return // it reads only payments of orders that were saved since
			}
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = bad })
			if l := e.run(t, jobs.ExitRejects).Summary.Ledger; l.Rejected != int64(len(bad)) || l.Kept != int64(len(bad)) {
				t.Errorf("ledger %+v, want %d rejects that keep their rows", l, len(bad))
			}
			e.wantTable(t, portal, none)
		})
	}
}

// The lists by owners have no select. A payment whose text cannot be encoded is found
// by ranges of ids, and becomes one reject.
func TestTextThatCannotBeEncodedByOwners(t *testing.T) {
	for _, job := range []string{"source: {list: bindings}", "source: {list: items}", "source: {list: bindings, enrich: list, batch: never}"} {
		bubble(t, job, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true, Strict: t})
			var bad []int64
			for p := range portal.All() {
				if n := len(bad); p.OwnerID > 0 && (n < 2 || n == 2 && p.ID > portal.ID(250)) {
					bad = append(bad, p.ID) // the first two are neighbours
				}
			}
			unbound := func(p bitrixtest.Payment) bool { return p.OwnerID == 0 }
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = bad })
			e := newBubbleJob(t, portal, job)
			if l := e.run(t, jobs.ExitRejects).Summary.Ledger; l.Rejected != int64(len(bad)) {
				t.Errorf("ledger %+v, want %d rejects", l, len(bad))
			}
			ids := map[int64]bool{}
			for _, row := range e.rows(t) {
				ids[row.ID] = true
			}
			for p := range portal.All() {
				if ids[p.ID] != (!unbound(p) && !slices.Contains(bad, p.ID)) {
					t.Errorf("payment %d: in the table %v", p.ID, ids[p.ID])
				}
			}
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = nil })
			e.run(t, jobs.ExitComplete)
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = bad })
			if l := e.run(t, jobs.ExitRejects).Summary.Ledger; l.Rejected != int64(len(bad)) || l.Kept != int64(len(bad)) {
				t.Errorf("ledger %+v, want %d rejects that keep their rows", l, len(bad))
			}
		})
	}
}

// A row of a related table with such a text is left out and counted; the others are read.
func TestRelatedTextThatCannotBeEncoded(t *testing.T) {
	for _, casts := range []bool{false, true} {
		bubble(t, fmt.Sprintf("lists cast to 1 %v", casts), func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{
				Seed: 17, Payments: 700, Rights: everyScope, AllowRegets: true, Strict: t, Values: bitrixtest.ValueQuirks{CastLists: casts},
			})
			e := newBubbleJob(t, portal, allRelated)
			e.run(t, jobs.ExitComplete)
			keys := map[string]string{"orders": "id", "owners": "entity_id", "companies": "id", "contacts": "id", "users": "id", "pay_systems": "id"}
			whole := map[string][]string{}
			for table, key := range keys {
				whole[table] = e.related(t, table, key)
			}
			later := time.Hour
			e.opts.Now = func() time.Time { return time.Now().Add(later) }
			for table, key := range keys {
				later += 25 * time.Hour
				var bad []int64
				for _, i := range []int{0, len(whole[table]) / 2} {
					id, err := strconv.ParseInt(whole[table][i], 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					bad = append(bad, id)
				}
				portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadRows = bad })
				e.run(t, jobs.ExitComplete)
				want := slices.DeleteFunc(slices.Clone(whole[table]), func(text string) bool {
					return slices.ContainsFunc(bad, func(id int64) bool { return text == strconv.FormatInt(id, 10) })
				})
				if got := e.related(t, table, key); !slices.Equal(got, want) {
					t.Errorf("%s: %d rows, want %d of %d", table, len(got), len(want), len(whole[table]))
				}
				d, err := e.relatedData(t).Related(t.Context(), table)
				if err != nil {
					t.Fatal(err)
				}
				if lost := int64(len(whole[table]) - len(want)); d.Missing != "" || d.Unreadable != lost {
					t.Errorf("%s: %d unreadable, want %d; missing %q", table, d.Unreadable, lost, d.Missing)
				}
			}
		})
	}
}
