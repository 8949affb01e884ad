package jobs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// runJob is a job of one portal and the folder that it writes to.
type runJob struct {
	spec   *jobfile.Spec
	opts   *jobs.RunOptions
	folder string
}

// newRunJob returns a job for a fake portal. extra is YAML for the end of the job file.
// Its key source replaces the default one.
func newRunJob(t *testing.T, portal *bitrixtest.Portal, extra string) *runJob {
	t.Helper()
	e := &runJob{folder: t.TempDir()}
	job := fmt.Sprintf("version: 1\nname: payments\nportals:\n  - name: acme\n    plan: unlimited\n    webhook: %s\nsink:\n  url: %s\n%s\n",
		portal.Webhook("https://acme.example"), e.folder, extra)
	var err error
	if e.spec, err = jobfile.Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil); err != nil {
		t.Fatal(err)
	}
	e.opts = &jobs.RunOptions{Program: "b24export/test", Transport: portal.RoundTripper()}
	return e
}

func (e *runJob) run(t *testing.T, wantExit int) jobs.Outcome {
	t.Helper()
	out := jobs.Run(t.Context(), e.spec, e.opts)[0]
	if out.Exit != wantExit {
		t.Fatalf("exit %d (%v), want %d", out.Exit, out.Err, wantExit)
	}
	return out
}

// rows reads the current table.
func (e *runJob) rows(t *testing.T) []schemas.Payment {
	t.Helper()
	store, err := sinks.OpenFolder(e.folder)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var rows []schemas.Payment
	for row, err := range sinks.Payments(t.Context(), store, "payments/portal=acme/payments.parquet", sinks.Above(0)) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, *row)
	}
	return rows
}

// wantRow returns the row that a payment of the portal must become.
func wantRow(t *testing.T, p bitrixtest.Payment) schemas.Payment {
	t.Helper()
	number := func(n int64) schemas.Null[int64] { return schemas.Null[int64]{V: n, Valid: n != 0} }
	text := func(s string) schemas.Null[string] { return schemas.Null[string]{V: s, Valid: s != ""} }
	instant := func(at time.Time) schemas.Null[schemas.Instant] {
		if at.IsZero() {
			return schemas.Null[schemas.Instant]{}
		}
		return schemas.Some(schemas.InstantOf(at))
	}
	sum, err := schemas.ParseDecimal(p.Sum)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.Payment{
		ID: p.ID, AccountNumber: text(p.AccountNumber), Paid: schemas.Some(p.Paid), DatePaid: instant(p.DatePaid),
		EmpPaidID: number(p.EmpPaidID), PaySystemID: number(p.PaySystemID), Sum: schemas.Some(sum),
		Currency: text(p.Currency), PaySystemName: text(p.PaySystemName), OrderID: number(p.OrderID),
		EntityTypeID: number(p.OwnerTypeID), EntityID: number(p.OwnerID), DateBill: instant(p.DateBill),
		Returned: text(map[string]string{"Y": "inner", "P": "pay_system"}[p.IsReturn]), ResponsibleID: number(p.ResponsibleID),
	}
}

// wantTable compares the current table with the portal, except the ids that are left
// out, and checks every row's time of reading.
func (e *runJob) wantTable(t *testing.T, portal *bitrixtest.Portal, without func(bitrixtest.Payment) bool) {
	t.Helper()
	e.wantPortal(t, portal, e.rows(t), without)
}

func (e *runJob) wantPortal(t *testing.T, portal *bitrixtest.Portal, got []schemas.Payment, without func(bitrixtest.Payment) bool) {
	t.Helper()
	var want []schemas.Payment
	for p := range portal.All() {
		if !without(p) {
			want = append(want, wantRow(t, p))
		}
	}
	for i := range got {
		if !got[i].ExtractedAt.Valid {
			t.Errorf("payment %d has no extracted_at", got[i].ID)
		}
		got[i].ExtractedAt = schemas.Null[schemas.Instant]{}
	}
	if diff := diffUnless(slices.Equal(want, got), want, got); diff != "" {
		t.Errorf("table differs from the portal (-want +got):\n%s", diff)
	}
}

// diffUnless is cmp.Diff for what is not equal. For equal tables, cmp.Diff takes a
// hundred times longer than ==.
func diffUnless(equal bool, want, got any) string {
	if equal {
		return ""
	}
	return cmp.Diff(want, got)
}

func none(bitrixtest.Payment) bool         { return false }
func refused(p bitrixtest.Payment) bool    { return p.Refused }
func unreadable(p bitrixtest.Payment) bool { return p.Refused || p.Poisoned }

func TestFullRunEqualsThePortal(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 8000, Odd: true, Refuse: 0.002, Poison: 0.002, Strict: t})
	e := newRunJob(t, portal, "mode: full\nrejects: {max: 1%}")
	out := e.run(t, jobs.ExitRejects)
	e.wantTable(t, portal, unreadable)

	l := out.Summary.Manifest.Ledger
	var lost int64
	for p := range portal.All() {
		if unreadable(p) {
			lost++
		}
	}
	if want := (pipeline.Ledger{Listed: 8000, Got: 8000 - lost, Rejected: lost}); l != want || lost == 0 {
		t.Errorf("ledger %+v, want %+v", l, want)
	}
}

func TestFieldsGoIntoExtra(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 120, Strict: t})
	e := newRunJob(t, portal, "mode: full\nsource: {fields: [comments, companyId]}")
	e.run(t, jobs.ExitComplete)
	for _, row := range e.rows(t) {
		if !row.Extra.Valid || !strings.HasPrefix(row.Extra.V, `{"comments":`) && !strings.HasPrefix(row.Extra.V, `{"companyId":`) {
			t.Fatalf("payment %d: extra %q", row.ID, row.Extra.V)
		}
	}
}

func TestVanishedPaymentsAreNotRejects(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 500, Refuse: 0.01, Strict: t})
	e := newRunJob(t, portal, "mode: full\nrejects: {max: 100}")
	// Between the listing's first chain of pages and the first get, some of the listed
	// payments are deleted.
	gone := []int64{portal.ID(10), portal.ID(11), portal.ID(150)}
	e.opts.Transport = &beforeGets{next: portal.RoundTripper(), do: func() {
		for _, id := range gone {
			portal.Delete(id)
		}
	}}
	out := e.run(t, jobs.ExitRejects)
	e.wantTable(t, portal, refused)
	l := out.Summary.Manifest.Ledger
	if l.Vanished != 3 || l.Listed != 500 || l.Rejected == 0 || l.Check() != nil {
		t.Errorf("ledger %+v, want 3 vanished beside the refused ones", l)
	}
}

// beforeGets does something once, before the first request with a get of a listed
// payment. Gets that measure the dates of the list do not count.
type beforeGets struct {
	next http.RoundTripper
	do   func()
	once sync.Once
}

func (b *beforeGets) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte("crm.item.payment.get?id=")) && !bytes.Contains(body, []byte("crm.item.payment.get?id=%24")) {
		b.once.Do(b.do)
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return b.next.RoundTrip(r)
}

func TestEnrichListTakesTheListingsValues(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 6000, Odd: true, Strict: t})
	e := newRunJob(t, portal, "mode: full\nsource: {enrich: list}")
	e.run(t, jobs.ExitComplete)
	e.wantTable(t, portal, none)
	if gets := portal.Stats().Commands["crm.item.payment.get"]; gets < 50 || gets > 6000/50+measuring {
		t.Errorf("%d gets, want a sample of one in a hundred, and 50 at least", gets)
	}
}

func TestEnrichListFailsWhereTheListingIsWrong(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 600})
	e := newRunJob(t, portal, "mode: full\nsource: {enrich: list}")
	e.opts.Transport = rewriting{portal.RoundTripper(), `"currency":"EUR"`, `"currency":"XXX"`}
	out := e.run(t, jobs.ExitFailed)
	sample, ok := errors.AsType[*source.SampleError](out.Err)
	if !ok || !slices.Equal(sample.Columns, []string{"currency"}) {
		t.Errorf("error %v, want a sample's that names currency", out.Err)
	}
	if jobs.Hint(out.Err) == "" {
		t.Error("no hint")
	}
}

// rewriting changes the answers of gets, but not those of listings.
type rewriting struct {
	next     http.RoundTripper
	old, new string
}

func (w rewriting) RoundTrip(r *http.Request) (*http.Response, error) {
	return rewritten(w.next, r, "crm.item.payment.get", func(body string) string { return strings.ReplaceAll(body, w.old, w.new) })
}

// rewritten sends a request, and edits the answer if the request contains the text.
func rewritten(next http.RoundTripper, r *http.Request, text string, edit func(string) string) (*http.Response, error) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(asked))
	resp, err := next.RoundTrip(r)
	if err != nil || !bytes.Contains(asked, []byte(text)) && !strings.Contains(r.URL.Path, text) {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	body = []byte(edit(string(body)))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

func TestOwnersWhateverAStartOfMinusOneMeans(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("all at once %v", atOnce), func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 1000, BindingsAtOnce: atOnce, Strict: t})
			e := newRunJob(t, portal, "mode: full")
			e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
		})
	}
}

func TestEqualPortalsGiveEqualBytes(t *testing.T) {
	clock := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	var sums [2][32]byte
	for i := range sums {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 3000, Odd: true, Strict: t})
		e := newRunJob(t, portal, "mode: full")
		e.opts.Now = func() time.Time { return clock }
		e.run(t, jobs.ExitComplete)
		data, err := os.ReadFile(filepath.Join(e.folder, "payments/portal=acme/payments.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(data)
	}
	if sums[0] != sums[1] {
		t.Error("two exports of the same portal by a clock that stands still differ")
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		portal bitrixtest.Options
		job    string
		want   int
		text   string
		hint   string
	}{
		{name: "complete", want: jobs.ExitComplete},
		{name: "rejects below the limit", portal: bitrixtest.Options{Refuse: 0.02}, job: "rejects: {max: 50%}", want: jobs.ExitRejects},
		{name: "rejects above it", portal: bitrixtest.Options{Refuse: 0.1}, want: jobs.ExitFailed, text: "at most 10 allowed", hint: "cat JOB --rejects"},
		{name: "no REST on this plan", portal: bitrixtest.Options{State: bitrixtest.StateNoPlan}, want: jobs.ExitRefused, text: "ACCESS_DENIED", hint: "subscription"},
		{name: "blocked", portal: bitrixtest.Options{State: bitrixtest.StateBlocked}, want: jobs.ExitRefused, text: "OVERLOAD_LIMIT", hint: "support"},
		{name: "closed", portal: bitrixtest.Options{State: bitrixtest.StateClosed}, want: jobs.ExitRefused, text: "PORTAL_DELETED", hint: "out of the job"},
		{name: "not an administrator", portal: bitrixtest.Options{Rights: bitrixtest.Rights{NotAdmin: true}}, job: "source: {list: sale}", want: jobs.ExitRefused, text: "200040300010", hint: "administrator"},
		{name: "scope missing", portal: bitrixtest.Options{Rights: bitrixtest.Rights{Scopes: []string{"crm"}}}, job: "source: {list: sale}", want: jobs.ExitRefused, hint: `scope "sale"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.portal.Payments = 300
			portal := bitrixtest.New(tt.portal)
			e := newRunJob(t, portal, "mode: full\n"+tt.job)
			out := e.run(t, tt.want)
			if (out.Err == nil) != (tt.text == "" && tt.hint == "") {
				t.Fatalf("error %v", out.Err)
			}
			if out.Err == nil {
				return
			}
			if text := out.Err.Error(); !strings.Contains(text, tt.text) {
				t.Errorf("error %q does not have %q", text, tt.text)
			}
			if hint := jobs.Hint(out.Err); !strings.Contains(hint, tt.hint) {
				t.Errorf("hint %q does not have %q", hint, tt.hint)
			}
		})
	}
}

func TestExitCodesOfOtherErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"patience", fmt.Errorf("get: %w", bitrix.ErrPatience), jobs.ExitTemporary},
		{"patience, and the portal's last word", fmt.Errorf("%w: %w", bitrix.ErrPatience, &bitrix.Error{Code: bitrix.CodeInternal}), jobs.ExitTemporary},
		{"storage", fmt.Errorf("put: %w", sinks.ErrUnavailable), jobs.ExitTemporary},
		{"held", &pipeline.HeldError{}, jobs.ExitHeld},
		{"fenced", fmt.Errorf("commit: %w", pipeline.ErrFenced), jobs.ExitHeld},
		{"job changed", &pipeline.JobChangedError{}, jobs.ExitUsage},
		{"wrong job file", &jobfile.Problems{}, jobs.ExitUsage},
		{"unpredictable", &source.UnpredictableError{}, jobs.ExitUsage},
		{"unpredictable for want of a right", fmt.Errorf("%w: %w", &source.UnpredictableError{}, &bitrix.Error{Code: "200040300010"}), jobs.ExitRefused},
		{"signal", fmt.Errorf("list: %w", context.Canceled), jobs.ExitInterrupted},
		{"no conditional writes", sinks.ErrNoFencing, jobs.ExitFailed},
		{"anything else", errors.New("disk full"), jobs.ExitFailed},
	} {
		if got := jobs.ExitCode(tt.err, pipeline.Summary{}); got != tt.want {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.want)
		}
	}
	outcomes := func(codes ...int) (out []jobs.Outcome) {
		for _, c := range codes {
			out = append(out, jobs.Outcome{Exit: c})
		}
		return out
	}
	// The order in the contract: codes that another run can clear come first.
	order := []int{130, 75, 1, 5, 2, 4, 3, 0}
	for i := range order {
		if got := jobs.ExitOfAll(outcomes(order[i:]...)); got != order[i] {
			t.Errorf("exit code of %v is %d", order[i:], got)
		}
	}
}

func TestPortalsOfAJob(t *testing.T) {
	good := bitrixtest.New(bitrixtest.Options{Payments: 200, AllowRegets: true, Strict: t})
	e := newRunJob(t, good, "mode: full")
	bad := e.spec.Portals[0]
	bad.Name, bad.Webhook = "bad", "https://acme.example/rest/1/wrong/"
	e.spec.Portals = append([]jobfile.PortalSpec{bad}, e.spec.Portals...)
	out := jobs.Run(t.Context(), e.spec, e.opts)
	if len(out) != 2 || out[0].Exit != jobs.ExitRefused || out[1].Exit != jobs.ExitComplete {
		t.Fatalf("outcomes %+v, want the one refused and the other complete", out)
	}
	if got := jobs.ExitOfAll(out); got != jobs.ExitRefused {
		t.Errorf("exit code %d", got)
	}
	e.opts.Only = []string{"acme"}
	if out := jobs.Run(t.Context(), e.spec, e.opts); len(out) != 1 || out[0].Portal != "acme" {
		t.Errorf("only acme: %+v", out)
	}
	e.opts.Only = []string{"nobody"}
	if out := jobs.Run(t.Context(), e.spec, e.opts); len(out) != 1 || out[0].Exit != jobs.ExitUsage {
		t.Errorf("only nobody: %+v", out)
	}
}
