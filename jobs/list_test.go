package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
)

// unseen removes from a row what a listing by owners cannot know.
func unseen(row schemas.Payment, severalOrders bool) schemas.Payment {
	row.DateBill = schemas.Null[schemas.Instant]{}
	row.Returned, row.ResponsibleID = schemas.Null[string]{}, schemas.Null[int64]{}
	if severalOrders {
		row.OrderID = schemas.Null[int64]{}
	}
	return row
}

// ordersOfItems counts the orders of each owner that has payments.
func ordersOfItems(portal *bitrixtest.Portal) map[[2]int64]int {
	orders := map[[3]int64]bool{}
	count := map[[2]int64]int{}
	for p := range portal.All() {
		if !orders[[3]int64{p.OwnerTypeID, p.OwnerID, p.OrderID}] {
			orders[[3]int64{p.OwnerTypeID, p.OwnerID, p.OrderID}] = true
			count[[2]int64{p.OwnerTypeID, p.OwnerID}]++
		}
	}
	return count
}

// emptyTemp sets an empty folder for temporary files, and checks it at the end of the
// test.
func emptyTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "b24export-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind in the folder for temporary files: %v, %v", left, err)
		}
	})
}

// Every way to find payments returns the same table, except the columns that it cannot
// know, on a portal with all oddities.
func TestEveryListingGivesTheSameTable(t *testing.T) {
	for _, tt := range []struct {
		name   string
		source string
		rights bitrixtest.Rights
		atOnce bool
		byItem bool // only payments with an owner, without date_bill
		bare   bool // only the values of a get
		want   string
	}{
		{name: "sale", source: "list: sale", want: "sale"},
		{name: "auto", source: "list: auto", want: "sale"},
		{name: "bindings", source: "list: bindings", byItem: true, want: "bindings"},
		{name: "bindings, all at once", source: "list: bindings", atOnce: true, byItem: true, want: "bindings"},
		{name: "bindings, enrich: list", source: "list: bindings, enrich: list", byItem: true, want: "bindings"},
		{name: "items", source: "list: items", byItem: true, want: "items"},
		{name: "items of given types", source: "list: items, entity_types: [142, 2, 31, 128]", byItem: true, want: "items"},
		{name: "auto, not an administrator", source: "list: auto", rights: bitrixtest.Rights{NotAdmin: true}, byItem: true, want: "bindings"},
		{name: "auto, without the scope", source: "list: auto", rights: bitrixtest.Rights{Scopes: []string{"crm"}}, byItem: true, want: "bindings"},
		{name: "ids of a range", source: "list: ids, ids: {from: 1, to: 1000000}", want: "ids"},
		{name: "ids of a range, by gets alone", source: "list: ids, ids: {from: 1, to: 1100}", rights: bitrixtest.Rights{NotAdmin: true}, bare: true, want: "ids"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			emptyTemp(t)
			portal := bitrixtest.New(bitrixtest.Options{
				Seed: 5, Payments: 700, Odd: true, Poison: 0.005, Strict: t,
				Rights: tt.rights, BindingsAtOnce: tt.atOnce,
			})
			for range 3 {
				portal.Add(0)
			}
			e := newRunJob(t, portal, "mode: full\nrejects: {max: 5%}\nsource: {"+tt.source+"}")
			out := e.run(t, jobs.ExitRejects)
			if m := out.Summary.Manifest; m.Source != tt.want || m.SourceWhy == "" {
				t.Errorf("the manifest has source %q (%s), want %s", m.Source, m.SourceWhy, tt.want)
			}
			several := ordersOfItems(portal)
			var want []schemas.Payment
			for p := range portal.All() {
				row := wantRow(t, p)
				switch {
				case p.Poisoned:
					continue
				case tt.byItem && p.OwnerID == 0:
					continue
				case tt.byItem:
					row = unseen(row, several[[2]int64{p.OwnerTypeID, p.OwnerID}] > 1)
				case tt.bare:
					row = unseen(row, true)
					row.EntityTypeID, row.EntityID = schemas.Null[int64]{}, schemas.Null[int64]{}
				}
				want = append(want, row)
			}
			got := e.rows(t)
			for i := range got {
				got[i].ExtractedAt = schemas.Null[schemas.Instant]{}
			}
			if diff := diffUnless(slices.Equal(want, got), want, got); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			if strings.Contains(tt.source, "enrich: list") {
				if gets := portal.Stats().Commands["crm.item.payment.get"]; gets > 100 {
					t.Errorf("%d gets, want a sample", gets)
				}
			}
		})
	}
}

// A job that lists by items sees what changes, and nothing else.
func TestIncrementalByItems(t *testing.T) {
	for _, list := range []string{"bindings", "items"} {
		t.Run(list, func(t *testing.T) {
			emptyTemp(t)
			portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 1500, Odd: true, AllowRegets: true, Strict: t})
			e := newRunJob(t, portal, "source: {list: "+list+"}")
			e.run(t, jobs.ExitComplete)
			if out := e.run(t, jobs.ExitComplete); out.Summary.Ledger.Got != 0 || out.Summary.Manifest.Changes.Sum() != 0 {
				t.Errorf("without changes: %+v, %+v", out.Summary.Ledger, out.Summary.Manifest.Changes)
			}
			portal.Mutate(60, 3)
			out := e.run(t, jobs.ExitComplete)
			if l := out.Summary.Ledger; l.Got == 0 || l.Got > 70 || l.Carried < 1000 {
				t.Errorf("after 60 changes: %+v", l)
			}
			var want, got []int64
			for p := range portal.All() {
				if p.OwnerID != 0 {
					want = append(want, p.ID)
				}
			}
			for _, row := range e.rows(t) {
				got = append(got, row.ID)
				p, _ := portal.Truth(row.ID)
				if row.Paid.V != p.Paid || row.EntityID.V != p.OwnerID {
					t.Errorf("payment %d: %+v, want %+v", row.ID, row, p)
				}
				if row.OrderID.Valid && row.OrderID.V != p.OrderID {
					t.Errorf("payment %d: order %d, want %d or none", row.ID, row.OrderID.V, p.OrderID)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d payments, want %d", len(got), len(want))
			}
		})
	}
}

// If a portal removes a right, nothing changes: a run with auto does not switch to a
// listing that shows less than that of the newest snapshot, unless the job says so.
func TestRightsThatShrink(t *testing.T) {
	emptyTemp(t)
	all := bitrixtest.Rights{}
	for _, tt := range []struct {
		name, job    string
		before, then bitrixtest.Rights
		gone         string // a method that an update removes
		lacks        string
		written      string // a job that may continue
	}{
		{name: "no administrator", then: bitrixtest.Rights{NotAdmin: true}, lacks: "200040300010", written: "source: {list: bindings}\ndeletes: {max: 90%}"},
		{name: "no scope", then: bitrixtest.Rights{Scopes: []string{"crm"}}, lacks: "insufficient_scope", written: "source: {list: bindings}\ndeletes: {max: 90%}"},
		{name: "no method", then: all, gone: "sale.payment.list", lacks: "ERROR_METHOD_NOT_FOUND", written: "source: {list: bindings}\ndeletes: {max: 90%}"},
		{name: "in a full run", job: "mode: full", then: bitrixtest.Rights{NotAdmin: true}, lacks: "200040300010"},
		{name: "ids", job: "source: {list: ids, ids: {from: 1, to: 900}}", then: bitrixtest.Rights{NotAdmin: true}, lacks: "200040300010",
			written: "mode: full\nsource: {list: ids, ids: {from: 1, to: 900}}"},
		{name: "items", job: "source: {list: items}", then: bitrixtest.Rights{NoBindings: true}, lacks: "crm.orderentity.list",
			written: "mode: full\nsource: {list: items}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 2, Payments: 600, AllowRegets: true, Strict: t, Rights: tt.before})
			e := newRunJob(t, portal, tt.job)
			e.run(t, jobs.ExitComplete)
			before := e.rows(t)
			portal.Adjust(func(o *bitrixtest.Options) {
				o.Rights = tt.then
				if tt.gone != "" {
					o.Faults = []bitrixtest.Fault{{Kind: bitrixtest.FaultCommand, Method: tt.gone, Code: "ERROR_METHOD_NOT_FOUND", Status: 404}}
				}
			})
			for range 2 {
				out := e.run(t, jobs.ExitRefused)
				if less, ok := errors.AsType[*source.LessError](out.Err); !ok || !strings.Contains(less.Error(), tt.lacks) || jobs.Hint(out.Err) == "" {
					t.Errorf("error %v, want one that names %s", out.Err, tt.lacks)
				}
			}
			if diff := cmp.Diff(before, e.rows(t)); diff != "" {
				t.Errorf("the table has changed (-want +got):\n%s", diff)
			}
			if tt.job == "" {
				failed := ""
				for line := range jobs.Check(t.Context(), e.spec, e.opts) {
					if line.Check == bitrix.MethodPaymentList && line.State == jobs.CheckFailed {
						failed = line.Detail
					}
				}
				if !strings.Contains(failed, "sees less") {
					t.Errorf("check says %q of %s", failed, bitrix.MethodPaymentList)
				}
			}
			if tt.written != "" {
				e = e.again(t, portal, tt.written)
				e.run(t, jobs.ExitComplete)
			}
			portal.Adjust(func(o *bitrixtest.Options) { o.Rights, o.Faults = all, nil })
			e = e.again(t, portal, tt.job)
			e.run(t, jobs.ExitComplete)
			if tt.job == "" || tt.job == "mode: full" {
				e.wantTable(t, portal, none)
			}
		})
	}
}

// A dataset that was begun with few rights continues with them, and fetches the rest
// when there are more.
func TestRightsThatGrow(t *testing.T) {
	emptyTemp(t)
	portal := bitrixtest.New(bitrixtest.Options{Seed: 2, Payments: 600, AllowRegets: true, Strict: t, Rights: bitrixtest.Rights{NotAdmin: true}})
	e := newRunJob(t, portal, "")
	for _, want := range []pipeline.Mode{pipeline.Full, pipeline.Incremental} {
		if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Source != "bindings" || m.Mode != want || !slices.Contains(m.SourceLacks, "date_bill") {
			t.Errorf("without the right: source %s, which lacks %v, mode %s; want bindings, %s", m.Source, m.SourceLacks, m.Mode, want)
		}
	}
	portal.Adjust(func(o *bitrixtest.Options) { o.Rights = bitrixtest.Rights{} })
	if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Source != "sale" || m.SourceLacks == nil || len(m.SourceLacks) > 0 {
		t.Errorf("with the right: source %s, which lacks %v", m.Source, m.SourceLacks)
	}
	e.wantTable(t, portal, none)
}

// If a portal refuses missing payments and forbidden payments with the same text, given
// ids delete nothing.
func TestIDsRefusedInWordsThatDoNotTell(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{
		Payments: 300, AllowRegets: true, Strict: t, Rights: bitrixtest.Rights{NotAdmin: true}, Server: bitrixtest.Server{OneRefusal: true},
	})
	e := newRunJob(t, portal, "source: {list: ids, ids: {from: 1, to: 500}}\nrejects: {max: 50%}")
	out := e.run(t, jobs.ExitComplete)
	m := out.Summary.Manifest
	if l := m.Ledger; l.Got != 300 || l.Listed != 300 || l.Unknown != 200 || l.Vanished != 0 || len(m.UnknownIDs) == 0 {
		t.Errorf("ledger %+v, unknown ids %v; want 300 of 500 and 200 unknown", l, m.UnknownIDs)
	}
	before := e.rows(t)
	gone, denied := portal.ID(7), 0
	portal.Delete(gone)
	portal.Adjust(func(o *bitrixtest.Options) { o.Rights.Deny = 0.1 })
	out = e.run(t, jobs.ExitRejects)
	for p := range portal.All() {
		if p.Refused {
			denied++
		}
	}
	if l := out.Summary.Ledger; denied == 0 || l.Rejected != int64(denied+1) || l.Kept != l.Rejected || l.Unknown != 200 || out.Summary.Manifest.Changes.Sum() != 0 {
		t.Errorf("ledger %+v, changes %+v; want %d rejects that keep their rows", l, out.Summary.Manifest.Changes, denied+1)
	}
	if now := e.rows(t); len(now) != len(before) {
		t.Errorf("%d rows, there were %d", len(now), len(before))
	}
}

// Only CRM administrators may call crm.type.list. Without it, deals and smart invoices
// are listed.
func TestItemsWithoutTheListOfTypes(t *testing.T) {
	emptyTemp(t)
	portal := bitrixtest.New(bitrixtest.Options{
		Payments: 300, Strict: t, Rights: bitrixtest.Rights{NotAdmin: true}, Server: bitrixtest.Server{TypesForAdmins: true},
	})
	e := newRunJob(t, portal, "source: {list: items}")
	out := e.run(t, jobs.ExitComplete)
	var want []int64
	for p := range portal.All() {
		if p.OwnerTypeID == 2 || p.OwnerTypeID == 31 {
			want = append(want, p.ID)
		}
	}
	var got []int64
	for _, row := range e.rows(t) {
		got = append(got, row.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d payments, want the %d of deals and smart invoices", len(got), len(want))
	}
	if why := out.Summary.Manifest.SourceWhy; !strings.Contains(why, "other than 2 and 31") {
		t.Errorf("the manifest says %q", why)
	}
}

func TestListingsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		source string
		rights bitrixtest.Rights
		want   int
		text   string
	}{
		{"sale, not an administrator", "list: sale", bitrixtest.Rights{NotAdmin: true}, jobs.ExitRefused, "200040300010"},
		{"auto, neither way", "list: auto", bitrixtest.Rights{NotAdmin: true, NoBindings: true}, jobs.ExitRefused, "no other way works either"},
		{"auto, no scope at all", "list: auto", bitrixtest.Rights{Scopes: []string{}}, jobs.ExitRefused, "insufficient_scope"},
		{"auto, with fields of sale's", "list: auto, fields: [comments]", bitrixtest.Rights{NotAdmin: true}, jobs.ExitRefused, "source.fields needs"},
		{"bindings", "list: bindings", bitrixtest.Rights{NoBindings: true}, jobs.ExitRefused, "list the bindings"},
		{"bindings, some items", "list: bindings", bitrixtest.Rights{NotAdmin: true, Deny: 0.05}, jobs.ExitRefused, "owners cannot be listed"},
		{"items, without bindings", "list: items", bitrixtest.Rights{NoBindings: true}, jobs.ExitComplete, ""},
		{"items, some items", "list: items", bitrixtest.Rights{Deny: 0.05}, jobs.ExitRefused, "owners cannot be listed"},
		{"ids, not an administrator", "list: ids, ids: {from: 1, to: 200}", bitrixtest.Rights{NotAdmin: true}, jobs.ExitComplete, ""},
		{"ids, some refused", "list: ids, ids: {from: 1, to: 200}", bitrixtest.Rights{NotAdmin: true, Deny: 0.1}, jobs.ExitRejects, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			emptyTemp(t)
			portal := bitrixtest.New(bitrixtest.Options{Payments: 400, Rights: tt.rights, Strict: t})
			e := newRunJob(t, portal, "mode: full\nrejects: {max: 50%}\nsource: {"+tt.source+"}")
			out := e.run(t, tt.want)
			if tt.text == "" {
				return
			}
			if text := out.Err.Error(); !strings.Contains(text, tt.text) {
				t.Errorf("error %q does not have %q", text, tt.text)
			}
			if jobs.Hint(out.Err) == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestFilesOfIDs(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true, Strict: t})
	a, b, c := portal.ID(3), portal.ID(100), portal.ID(299)
	folder := t.TempDir()
	for i, tt := range []struct {
		name, text string
		want       []int64
		err        string
	}{
		{"one a line", fmt.Sprintf("%d\n%d\n%d\n", a, b, c), []int64{a, b, c}, ""},
		{"in disorder, twice, and one that no payment has", fmt.Sprintf("%d\n%d\n999999\n%d\n%d", c, a, b, c), []int64{a, b, c}, ""},
		{"comments, empty lines, CRLF, a mark", fmt.Sprintf("\ufeff# paid late\r\n\r\n  %d # this one\r\n%d\r\n", a, b), []int64{a, b}, ""},
		{"no id", fmt.Sprintf("%d\n12x\n", a), nil, `ids.txt:2: "12x"`},
		{"zero", "0\n", nil, `ids.txt:1: "0"`},
		{"a line without end", strings.Repeat("7", 1<<20), nil, "ids.txt:1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			emptyTemp(t)
			name := filepath.Join(folder, strconv.Itoa(i), "ids.txt")
			if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			e := newRunJob(t, portal, "mode: full\nsource: {list: ids, ids: {file: "+name+"}}")
			if tt.err != "" {
				before := portal.Stats().Requests
				out := e.run(t, jobs.ExitUsage)
				if !strings.Contains(out.Err.Error(), tt.err) {
					t.Errorf("error %q does not have %q", out.Err, tt.err)
				}
				if portal.Stats().Requests != before {
					t.Error("something was asked of the portal")
				}
				return
			}
			e.run(t, jobs.ExitComplete)
			var got []int64
			for _, row := range e.rows(t) {
				got = append(got, row.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("payments %v, want %v", got, tt.want)
			}
		})
	}
}

// errStopped is the error of a run whose machine stops.
var errStopped = errors.New("stopped")

// stopAt cancels a run at its n-th request.
type stopAt struct {
	next   http.RoundTripper
	left   atomic.Int64
	cancel context.CancelCauseFunc
}

func (s *stopAt) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.left.Add(-1) == 0 {
		s.cancel(fmt.Errorf("%w: %w", context.Canceled, errStopped))
		return nil, context.Canceled
	}
	return s.next.RoundTrip(r)
}

// A run by bindings is stopped at each of its requests in turn, and resumed. The table
// is complete, and what was fetched and saved is not fetched again.
func TestStoppedAtEveryRequestByBindings(t *testing.T) {
	emptyTemp(t)
	for n := int64(1); ; n++ {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 200, AllowRegets: true, Strict: t})
		e := newRunJob(t, portal, "mode: full\nsource: {list: bindings}\ncheckpoint: {rows: 40}")
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := &stopAt{next: portal.RoundTripper(), cancel: cancel}
		stop.left.Store(n)
		e.opts.Transport = stop
		out := jobs.Run(ctx, e.spec, e.opts)[0]
		cancel(nil)
		e.opts.Transport = portal.RoundTripper()
		gets := portal.Stats().Commands["crm.item.payment.get"]
		ended := out.Exit == jobs.ExitComplete
		if !ended {
			if out.Exit != jobs.ExitInterrupted {
				t.Fatalf("stopped at request %d: exit %d (%v)", n, out.Exit, out.Err)
			}
			saved := out.Summary.Ledger.Got
			e.run(t, jobs.ExitComplete)
			again := portal.Stats().Commands["crm.item.payment.get"] - gets
			if bound := int64(len(e.rows(t))); again != bound-saved {
				t.Errorf("stopped at request %d with %d saved: %d gets afterwards, want %d", n, saved, again, bound-saved)
			}
		}
		var want int
		for p := range portal.All() {
			if p.OwnerID != 0 {
				want++
			}
		}
		if got := len(e.rows(t)); got != want {
			t.Errorf("stopped at request %d: %d rows, want %d", n, got, want)
		}
		if ended {
			return
		}
	}
}

// Payments are changed, added and deleted during a run. A payment that exists the whole
// time is in the table, with values that it had at some moment of the run.
func TestAPortalThatChangesAllTheWhile(t *testing.T) {
	for _, list := range []string{"sale", "bindings", "items"} {
		t.Run(list, func(t *testing.T) {
			emptyTemp(t)
			for seed := range uint64(2) {
				portal := bitrixtest.New(bitrixtest.Options{
					Seed: seed, Payments: 600, AllowRegets: true,
					Churn: bitrixtest.Churn{Every: 1, Count: 8, Seed: seed},
				})
				e := newRunJob(t, portal, "source: {list: "+list+"}")
				for range 2 {
					before := map[int64]bitrixtest.Payment{}
					for p := range portal.All() {
						before[p.ID] = p
					}
					out := e.run(t, jobs.ExitComplete)
					if err := out.Summary.Ledger.Check(); err != nil {
						t.Error(err)
					}
					rows := map[int64]schemas.Payment{}
					for _, row := range e.rows(t) {
						rows[row.ID] = row
					}
					for p := range portal.All() {
						was, old := before[p.ID]
						row, there := rows[p.ID]
						if old && !there && (list == "sale" || p.OwnerID != 0) {
							t.Errorf("seed %d: payment %d existed all the while, and is not in the table", seed, p.ID)
						}
						// A payment that is paid and unpaid again looks as before; a
						// former sum never returns.
						if sum := wantRow(t, p).Sum; old && there && was.Sum == p.Sum && row.Sum != sum {
							t.Errorf("seed %d: the sum of payment %d did not change, and is %v in the table", seed, p.ID, row.Sum.V)
						}
						if there && row.OrderID.Valid && row.OrderID.V != p.OrderID {
							t.Errorf("seed %d: payment %d has order %d in the table, not %d", seed, p.ID, row.OrderID.V, p.OrderID)
						}
					}
				}
			}
		})
	}
}

func TestPlanOfOtherListingsIsRefused(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 10, Strict: t})
	e := newRunJob(t, portal, "source: {list: bindings}")
	_, err := jobs.MakePlan(t.Context(), e.spec, "acme", e.opts)
	if got := jobs.ExitCode(err, pipeline.Summary{}); got != jobs.ExitUsage {
		t.Errorf("error %v, exit %d; want %d", err, got, jobs.ExitUsage)
	}
}
