package jobs_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// If a list and a get always differ in a column, nights without changes fetch nothing,
// and changes are found.
func TestNightsWhereListAndGetDiffer(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 600, AllowRegets: true, Strict: t,
		Values: bitrixtest.ValueQuirks{ListNames: true}})
	e := newRunJob(t, portal, "full_every: 0")
	e.run(t, jobs.ExitComplete)
	for night := range 4 {
		var gets int64
		if night%2 == 1 {
			gets = change(portal, 30)
		}
		m := e.run(t, jobs.ExitComplete).Summary.Manifest
		e.wantTable(t, portal, none)
		if m.Ledger.Got != gets {
			t.Errorf("night %d: %d payments fetched, %d have changed", night, m.Ledger.Got, gets)
		}
		if m.Listed == nil || m.Listed.Rows == 0 {
			t.Errorf("night %d: the manifest names no file of what was listed", night)
		}
	}
	files, err := filepath.Glob(filepath.Join(e.folder, "_state/payments/portal=acme/*.parquet"))
	if err != nil || len(files) > 2 {
		t.Errorf("%d files of what was listed are kept (%v), want at most 2: %v", len(files), err, files)
	}
}

// If what the listing showed is lost, or damaged, the next night fetches those payments
// once more and reports the column that caused it. The night after that fetches nothing
// again.
func TestWhatWasListedIsLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		lose func(t *testing.T, path string)
	}{
		{"gone", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
		{"damaged", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 300, AllowRegets: true, Strict: t,
				Values: bitrixtest.ValueQuirks{ListNames: true}})
			e := newRunJob(t, portal, "full_every: 0")
			m := e.run(t, jobs.ExitComplete).Summary.Manifest
			tt.lose(t, filepath.Join(e.folder, filepath.FromSlash(m.Listed.Path)))
			var log bytes.Buffer
			e.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
			m = e.run(t, jobs.ExitComplete).Summary.Manifest
			if m.Ledger.Got != m.Listed.Rows || m.Changes.Sum() != 0 {
				t.Errorf("%d payments fetched, %d are listed otherwise than a get has them; changes %+v", m.Ledger.Got, m.Listed.Rows, m.Changes)
			}
			for _, want := range []string{"what the listing showed is lost", "column=pay_system_name"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log has no %q:\n%s", want, log.String())
				}
			}
			if m = e.run(t, jobs.ExitComplete).Summary.Manifest; m.Ledger.Got != 0 {
				t.Errorf("the night after that fetched %d", m.Ledger.Got)
			}
			e.wantTable(t, portal, none)
		})
	}
}

// A backfill beside nights keeps what was listed, its own and that of the other rows.
func TestBackfillKeepsWhatWasListed(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 400, AllowRegets: true, Strict: t,
		Values: bitrixtest.ValueQuirks{ListNames: true}})
	e := newRunJob(t, portal, "full_every: 0")
	e.run(t, jobs.ExitComplete)
	b := e.again(t, portal, "mode: backfill\nsource: {list: ids, ids: {from: 100, to: 300}}")
	if m := b.run(t, jobs.ExitComplete).Summary.Manifest; m.Ledger.Got == 0 {
		t.Fatal("the backfill fetched nothing")
	}
	gets := change(portal, 20)
	if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Ledger.Got != gets {
		t.Errorf("the night after fetched %d payments, %d have changed", m.Ledger.Got, gets)
	}
	e.wantTable(t, portal, none)
}

// Two jobs with the same name, whose rows have different meanings, alternately fetch
// everything. The third run reports that.
func TestTwoJobsOfOneNameAreTold(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 60, AllowRegets: true, Strict: t})
	one := newRunJob(t, portal, "")
	two := one.again(t, portal, "source: {fields: [comments]}")
	for i, e := range []*runJob{one, one, two, one, two} {
		var log bytes.Buffer
		e.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
		e.run(t, jobs.ExitComplete)
		if told := strings.Contains(log.String(), "another job writes to this name too"); told != (i > 2) {
			t.Errorf("run %d: told %t:\n%s", i, told, log.String())
		}
	}
}

// The site's date format changes to one that lists cannot show. Known dates of bill
// stay, and nothing is fetched a second time because of it.
func TestKnownDatesOfBillStay(t *testing.T) {
	for _, format := range []bitrixtest.DateFormat{bitrixtest.DatesNull, bitrixtest.DatesSwapped, bitrixtest.DatesShort, bitrixtest.DatesMinutes, bitrixtest.DatesDays} {
		for _, mode := range []string{"incremental", "full"} {
			t.Run(string(format)+" "+mode, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: 200, AllowRegets: true, Strict: t})
				e := newRunJob(t, portal, "mode: "+mode)
				e.run(t, jobs.ExitComplete)
				portal.Adjust(func(o *bitrixtest.Options) { o.Values.DateFormat = format })
				for night := range 3 {
					m := e.run(t, jobs.ExitComplete).Summary.Manifest
					if m.Changes.Sum() != 0 || night > 0 && mode == "incremental" && m.Ledger.Got != 0 {
						t.Errorf("night %d: changes %+v, %d payments fetched", night, m.Changes, m.Ledger.Got)
					}
				}
				e.wantTable(t, portal, none)
				// The same if the payment has changed in another column.
				for p := range portal.All() {
					if !p.Paid {
						portal.Pay(p.ID)
						break
					}
				}
				m := e.run(t, jobs.ExitComplete).Summary.Manifest
				if m.Changes.Update != 1 {
					t.Errorf("changes %+v, want one update", m.Changes)
				}
				rows := e.rows(t)
				for i := range rows {
					if !rows[i].DateBill.Valid {
						t.Errorf("payment %d has lost its date of bill", rows[i].ID)
					}
				}
			})
		}
	}
}
