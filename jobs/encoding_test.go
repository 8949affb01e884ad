package jobs_test

import (
	"slices"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// One text that the portal cannot encode fails the whole answer that has it. The
// payment with that text becomes a reject that keeps its last known row, and all
// others are read.
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
				return // it reads no payment of an order that was not saved since
			}
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = bad })
			if l := e.run(t, jobs.ExitRejects).Summary.Ledger; l.Rejected != int64(len(bad)) || l.Kept != int64(len(bad)) {
				t.Errorf("ledger %+v, want %d rejects that keep their rows", l, len(bad))
			}
			e.wantTable(t, portal, none)
		})
	}
}
