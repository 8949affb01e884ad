package jobs_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/pipeline"
	"b24export/schemas"
)

// byID returns a portal's payments as rows, without the times of reading.
func byID(t *testing.T, portal *bitrixtest.Portal) map[int64]schemas.Payment {
	t.Helper()
	rows := map[int64]schemas.Payment{}
	for p := range portal.All() {
		rows[p.ID] = wantRow(t, p)
	}
	return rows
}

// wantRows compares the current table with rows.
func (e *runJob) wantRows(t *testing.T, want map[int64]schemas.Payment) {
	t.Helper()
	got := e.rows(t)
	for i := range got {
		got[i].ExtractedAt = schemas.Null[schemas.Instant]{}
	}
	var rows []schemas.Payment
	for _, id := range slices.Sorted(maps.Keys(want)) {
		rows = append(rows, want[id])
	}
	if diff := diffUnless(slices.Equal(rows, got), rows, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// again returns a job with other keys for the next run.
func (e *runJob) again(t *testing.T, portal *bitrixtest.Portal, extra string) *runJob {
	t.Helper()
	next := newRunJob(t, portal, extra)
	next.folder, next.spec.Sink.URL = e.folder, e.spec.Sink.URL
	return next
}

// A backfill fetches its range, whatever has changed there, and leaves all other rows
// as they are.
func TestBackfillOfARange(t *testing.T) {
	day := func(text string) schemas.Instant {
		at, err := time.Parse(time.RFC3339, text+"T00:00:00+03:00")
		if err != nil {
			t.Fatal(err)
		}
		return schemas.InstantOf(at)
	}
	between := func(at schemas.Null[schemas.Instant], from, to string) bool {
		return at.Valid && day(from) <= at.V && at.V < day(to)
	}
	ids := filepath.Join(t.TempDir(), "ids.txt")
	var list strings.Builder
	for id := 1400; id >= 700; id-- {
		fmt.Fprintln(&list, id)
	}
	if err := os.WriteFile(ids, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	given := func(p *schemas.Payment) bool { return p.ID >= 700 && p.ID <= 1400 }
	never := func(*schemas.Payment) bool { return false }
	for _, tt := range []struct {
		name, job string
		rights    bitrixtest.Rights
		in        func(*schemas.Payment) bool
		span      string
	}{
		{name: "billed", job: "backfill: {billed: {from: 2022-03-01, to: 2024-01-01}}", span: "billed from 2022-03-01 to 2024-01-01",
			in: func(p *schemas.Payment) bool { return between(p.DateBill, "2022-03-01", "2024-01-01") }},
		{name: "paid", job: "backfill: {paid: {from: 2022-03-01, to: 2030-01-01}}", span: "paid from 2022-03-01 to 2030-01-01",
			in: func(p *schemas.Payment) bool { return between(p.DatePaid, "2022-03-01", "2030-01-01") }},
		{name: "billed, values of the list", job: "backfill: {billed: {from: 2022-03-01, to: 2024-01-01}}\nsource: {enrich: list}", span: "billed from 2022-03-01 to 2024-01-01",
			in: func(p *schemas.Payment) bool { return between(p.DateBill, "2022-03-01", "2024-01-01") }},
		{name: "a range with nothing in it", job: "backfill: {billed: {from: 1999-01-01, to: 1999-12-31}}", span: "billed from 1999-01-01 to 1999-12-31", in: never},
		{name: "ids", job: "source: {list: ids, ids: {from: 700, to: 1400}}", in: given, span: "ids 700 to 1400"},
		{name: "ids of a file", job: "source: {list: ids, ids: {file: " + ids + "}}", in: given, span: "701 ids of ids.txt"},
		{name: "ids behind the last", job: "source: {list: ids, ids: {from: 70000, to: 80000}}", in: never, span: "ids 70000 to 80000"},
	} {
		for _, empty := range []bool{false, true} {
			name := tt.name
			if empty {
				name += ", into nothing"
			}
			t.Run(name, func(t *testing.T) {
				emptyTemp(t)
				enrich := "source: {enrich: get}"
				if strings.Contains(tt.job, "enrich: list") {
					enrich = "source: {enrich: list}"
				}
				portal := bitrixtest.New(bitrixtest.Options{Seed: 11, Payments: 1500, Odd: true, AllowRegets: true, Strict: t})
				e := newRunJob(t, portal, "mode: full\n"+enrich)
				before := map[int64]schemas.Payment{}
				if !empty {
					e.run(t, jobs.ExitComplete)
					before = byID(t, portal)
				}
				portal.Mutate(400, 3)
				now := byID(t, portal)
				want := maps.Clone(before)
				var listed int64
				for id := range now {
					if row := now[id]; tt.in(&row) {
						want[id] = row
						listed++
					}
				}
				for id, row := range before {
					if there, ok := now[id]; tt.in(&row) && !ok {
						delete(want, id)
					} else if tt.in(&row) && !tt.in(&there) {
						want[id] = there
						listed++
					}
				}
				e = e.again(t, portal, "mode: backfill\n"+tt.job)
				out := e.run(t, jobs.ExitComplete)
				e.wantRows(t, want)
				m := out.Summary.Manifest
				if m.Mode != pipeline.Backfill || !strings.HasPrefix(m.Range, tt.span) || m.Source == "" {
					t.Errorf("manifest: mode %s, range %q, source %s", m.Mode, m.Range, m.Source)
				}
				if l := m.Ledger; l.Listed != listed || l.Got != listed || l.Outside != int64(len(want))-listed {
					t.Errorf("ledger %+v, want %d listed and got of %d rows", l, listed, len(want))
				}
				if listed == 0 && tt.span != "" && !strings.Contains(tt.name, "nothing") && !strings.Contains(tt.name, "behind") {
					t.Error("nothing was in the range")
				}
				// The next night fetches the rest, and nothing twice.
				e = e.again(t, portal, enrich)
				if out := e.run(t, jobs.ExitComplete); out.Summary.Manifest.Mode != pipeline.Incremental && !(empty && listed == 0) {
					t.Errorf("the night after is %s", out.Summary.Manifest.Mode)
				}
				e.wantRows(t, now)
			})
		}
	}
}

// Ranges that overlap result in the same table, in either order.
func TestBackfillsThatOverlap(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 2, Payments: 900, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, "mode: full")
	for _, years := range [][2]int{{2023, 2025}, {2019, 2024}, {2024, 2031}, {2022, 2023}} {
		e = e.again(t, portal, fmt.Sprintf("mode: backfill\nbackfill: {billed: {from: %d-01-01, to: %d-01-01}}", years[0], years[1]))
		e.run(t, jobs.ExitComplete)
	}
	e.wantRows(t, byID(t, portal))
	if out := e.run(t, jobs.ExitComplete); out.Summary.Manifest.Changes.Sum() != 0 {
		t.Errorf("the same range once more changes %+v", out.Summary.Manifest.Changes)
	}
}

// interrupted is a network on which a signal arrives after a number of requests.
type interrupted struct {
	next  http.RoundTripper
	stop  context.CancelFunc
	after int64
	seen  atomic.Int64
}

func (i *interrupted) RoundTrip(r *http.Request) (*http.Response, error) {
	if i.seen.Add(1) > i.after {
		i.stop()
	}
	return i.next.RoundTrip(r)
}

// A backfill that is interrupted repeatedly completes, and reads little twice. A night
// in between is complete, and does not change the backfill.
func TestBackfillGoesOn(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 2, Payments: 4000, AllowRegets: true, Strict: t})
	nightly := newRunJob(t, portal, "mode: incremental")
	e := nightly.again(t, portal, "mode: backfill\nbackfill: {billed: {from: 2019-01-01, to: 2031-01-01}}\ncheckpoint: {rows: 100}")
	e.spec.Portals[0].Limits.Concurrency = 2
	runs := 0
	for ; ; runs++ {
		ctx, stop := context.WithCancel(t.Context())
		opts := *e.opts
		opts.Transport = &interrupted{next: portal.RoundTripper(), stop: stop, after: 20}
		out := jobs.Run(ctx, e.spec, &opts)[0]
		stop()
		if out.Exit == jobs.ExitComplete {
			if !out.Summary.Resumed || out.Summary.Manifest.PortalUse.Resumed != int64(runs) {
				t.Errorf("resumed %v, %d times; want %d", out.Summary.Resumed, out.Summary.Manifest.PortalUse.Resumed, runs)
			}
			break
		}
		if out.Exit != jobs.ExitInterrupted || runs > 40 {
			t.Fatalf("run %d: exit %d: %v", runs, out.Exit, out.Err)
		}
		if runs == 1 {
			// A check reports the backfill, for the job's own work and for another
			// job's.
			wantUnfinished(t, e, jobs.CheckOK, "a run resumes snapshot")
			wantUnfinished(t, nightly, jobs.CheckOK, "a run of the job that began it resumes snapshot")
			other := e.again(t, portal, "mode: backfill\nbackfill: {billed: {from: 2018-01-01, to: 2031-01-01}}")
			wantUnfinished(t, other, jobs.CheckFailed, "2019-01-01")
			out := jobs.Run(t.Context(), nightly.spec, nightly.opts)[0]
			if out.Exit != jobs.ExitComplete || out.Summary.Manifest.Ledger.Got != 4000 {
				t.Errorf("a nightly run beside it: exit %d, %v", out.Exit, out.Err)
			}
		}
	}
	if runs < 3 {
		t.Errorf("%d runs, so nothing was interrupted", runs)
	}
	e.wantRows(t, byID(t, portal))
	// A signal loses nothing that was read. Half of these gets belong to the night.
	if gets := portal.Stats().Commands["crm.item.payment.get"]; gets > 8000+int64(2*runs+2)*measuring {
		t.Errorf("%d gets in %d runs", gets, runs)
	}
}

// wantUnfinished checks a job, and requires one line about an unfinished backfill.
func wantUnfinished(t *testing.T, e *runJob, state jobs.CheckState, detail string) {
	t.Helper()
	var found []jobs.CheckLine
	for line := range jobs.Check(t.Context(), e.spec, e.opts) {
		if line.Check == "sink.unfinished_backfill" {
			found = append(found, line)
		}
	}
	if len(found) != 1 || found[0].State != state || !strings.Contains(found[0].Detail, detail) {
		t.Errorf("check: %+v, want one %s line with %q", found, state, detail)
	}
}

// A backfill does not merge its rows with those of a job with another meaning. The
// error shows what to do.
func TestBackfillOfAnotherTable(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 100, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, "mode: full\nsource: {fields: [comments]}")
	e.run(t, jobs.ExitComplete)
	e = e.again(t, portal, "mode: backfill\nbackfill: {billed: {from: 2019-01-01, to: 2031-01-01}}")
	out := e.run(t, jobs.ExitUsage)
	if !strings.Contains(out.Err.Error(), "means something else") || !strings.Contains(jobs.Hint(out.Err), "mode: full") {
		t.Errorf("error %v, hint %s", out.Err, jobs.Hint(out.Err))
	}
}

// A user who may not list payments cannot request days, and the error says so.
func TestBackfillWithoutTheListing(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 100, Rights: bitrixtest.Rights{NotAdmin: true}, Strict: t})
	e := newRunJob(t, portal, "mode: backfill\nbackfill: {billed: {from: 2019-01-01, to: 2031-01-01}}")
	if out := e.run(t, jobs.ExitRefused); !strings.Contains(out.Err.Error(), "needs sale.payment.list") {
		t.Errorf("error %v", out.Err)
	}
	// Given ids can be fetched nevertheless.
	e = e.again(t, portal, "mode: backfill\nsource: {list: ids, ids: {from: 1, to: 60}}")
	out := e.run(t, jobs.ExitComplete)
	if n := len(e.rows(t)); n == 0 || int64(n) != out.Summary.Ledger.Got || out.Summary.Ledger.Unknown == 0 {
		t.Errorf("%d rows, ledger %+v", n, out.Summary.Ledger)
	}
}

// A backfill of ids without the right to list tries the rejects of the last snapshot
// again, as any backfill does.
func TestBackfillOfIDsTriesOtherRejects(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true, Strict: t, Refuse: 0.05,
		Rights: bitrixtest.Rights{NotAdmin: true}})
	e := newRunJob(t, portal, "mode: backfill\nrejects: {max: 50%}\nsource: {list: ids, ids: {from: 1, to: 300}}")
	first := e.run(t, jobs.ExitRejects).Summary.Ledger
	e = e.again(t, portal, "mode: backfill\nrejects: {max: 50%}\nsource: {list: ids, ids: {from: 301, to: 500}}")
	second := e.run(t, jobs.ExitRejects).Summary.Ledger
	t.Logf("%+v, then %+v", first, second)
	portal.Adjust(func(o *bitrixtest.Options) { o.Refuse = 0 })
	e = e.again(t, portal, "mode: backfill\nsource: {list: ids, ids: {from: 301, to: 500}}")
	e.run(t, jobs.ExitComplete)
	ids := map[int64]bool{}
	for _, row := range e.rows(t) {
		ids[row.ID] = true
	}
	for p := range portal.All() {
		if p.ID <= 500 && !ids[p.ID] {
			t.Errorf("payment %d is not in the table", p.ID)
		}
	}
}
