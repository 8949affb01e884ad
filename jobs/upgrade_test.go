package jobs_test

import (
	"fmt"
	"os"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/pipeline"
)

// upgraded returns a job whose folder contains the dataset that version 0.1.0 of the
// program wrote for a portal with 400 payments, and that portal. The table lacks the
// columns returned and responsible_id.
func upgraded(t *testing.T, extra string) (*bitrixtest.Portal, *runJob) {
	t.Helper()
	portal := bitrixtest.New(bitrixtest.Options{Seed: 41, Payments: 400, Odd: true, Refuse: 0.005, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, "full_every: 0\nrejects: {max: 10}\n"+extra)
	if err := os.CopyFS(e.folder, os.DirFS("testdata/version1")); err != nil {
		t.Fatal(err)
	}
	return portal, e
}

// TestUpgradeFetchesNothing: the night after an upgrade reads the values of new columns
// from the listing, for rows that it carries over. It fetches only what has changed and
// what was rejected.
func TestUpgradeFetchesNothing(t *testing.T) {
	for _, source := range []string{"fields: [comments]", "fields: [comments], since: orders"} {
		t.Run(source, func(t *testing.T) {
			portal, e := upgraded(t, "source: {"+source+"}")
			var back []int64
			for p := range portal.All() {
				if p.Paid && !p.Refused && len(back) < 3 {
					back = append(back, p.ID)
				}
			}
			for i, id := range back {
				portal.Return(id, i == 0)
			}
			m := e.run(t, jobs.ExitRejects).Summary.Manifest
			rows := e.rows(t)
			for i := range rows {
				rows[i].Extra.V, rows[i].Extra.Valid = "", false
			}
			e.wantPortal(t, portal, rows, refused)
			// The refused payment is requested each night.
			if gets := portal.Stats().Commands["crm.item.payment.get"]; gets < 4 || gets > 4+measuring {
				t.Errorf("%d payments were fetched, want the three that changed and the one that is refused", gets)
			}
			l := m.Ledger
			if want := (pipeline.Ledger{Listed: 400, Got: 3, Carried: 396, Filled: l.Filled, Rejected: 1}); l != want || l.Filled < 300 {
				t.Errorf("ledger %+v, want %+v, most of it filled", l, want)
			}
			if m.Changes.Update != l.Filled+3 || m.SchemaVersion != 2 {
				t.Errorf("changes %+v, schema version %d", m.Changes, m.SchemaVersion)
			}
			if m.Since != nil && m.Since.Why != "the table has new columns, whose values the listing has" {
				t.Errorf("since %+v", m.Since)
			}
			// The next night is like any other.
			m = e.run(t, jobs.ExitRejects).Summary.Manifest
			if m.Changes.Sum() != 0 || m.Ledger.Filled != 0 || m.Ledger.Got != 0 {
				t.Errorf("the second night: changes %+v, ledger %+v", m.Changes, m.Ledger)
			}
			if m.Since != nil && fmt.Sprint(m.Since.By, m.Since.Why) != "orders" {
				t.Errorf("the second night: since %+v", m.Since)
			}
		})
	}
}
