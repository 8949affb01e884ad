package jobs_test

import (
	"hash/crc32"
	"io"
	"maps"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/schemas"
	"b24export/sinks"
)

// The tests of limits_*_test.go run whole exports, from the job to the table, in
// virtual time against the strict portal of package bitrixtest. They compare them with
// the least time that the portal's limits allow. docs/limits.md has the results.

// export is a whole export of a portal, and its result.
type export struct {
	portal  *bitrixtest.Portal
	road    *road
	flags   map[string]string // of the job, on top of those of every export here
	spec    *jobfile.Spec
	outcome jobs.Outcome
	span    time.Duration
}

// newExport returns a portal, with the standard plan unless o has another, and an
// export of it. Answers take the time in o, and up to spread more on the way there.
func newExport(t *testing.T, o bitrixtest.Options, spread time.Duration, flags map[string]string) *export {
	t.Helper()
	o.Seed, o.Strict = 11, t
	if o.Plan == "" {
		o.Plan = bitrixtest.PlanStandard
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	portal := bitrixtest.New(o)
	return &export{portal: portal, road: &road{to: portal.RoundTripper(), spread: spread}, flags: flags}
}

// run exports the portal into a new folder, which must end with exit code 0. It is
// called in a bubble of synctest, in which only waiting takes time.
func (e *export) run(t *testing.T) {
	t.Helper()
	// The encoders of zstd outlive the bubble that created them, and cannot be used in
	// the next one.
	flags := map[string]string{"to": t.TempDir(), "mode": "full", "compression": "none"}
	maps.Copy(flags, e.flags)
	var err error
	if e.spec, err = jobfile.FromFlags(flags, e.portal.Webhook("https://acme.bitrix24.com")); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	e.outcome = jobs.Run(t.Context(), e.spec, &jobs.RunOptions{Program: "b24export/test", Transport: e.road})[0]
	e.span = time.Since(start)
	if e.outcome.Err != nil || e.outcome.Exit != 0 {
		t.Fatalf("exit %d after %v: %v", e.outcome.Exit, e.span, e.outcome.Err)
	}
}

// wantExact compares the published table with the portal, field by field.
func (e *export) wantExact(t *testing.T) {
	t.Helper()
	data, closeData, err := jobs.OpenDataset(t.Context(), e.spec, e.outcome.Portal, &jobs.RunOptions{Program: "b24export/test"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeData()
	rows := int64(0)
	for row, err := range data.ReadPayments(t.Context(), e.outcome.Summary.Manifest, sinks.Above(0)) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		got := *row
		got.ExtractedAt = schemas.Null[schemas.Instant]{}
		truth, _ := e.portal.Truth(row.ID)
		if want := wantRow(t, truth); got != want {
			t.Fatalf("payment %d (-want +got):\n%s", row.ID, cmp.Diff(want, got))
		}
	}
	// The rows ascend by id, so if their number is that of the payments, they are
	// complete.
	if rows != e.portal.Count() {
		t.Errorf("the table has %d rows, the portal %d payments", rows, e.portal.Count())
	}
}

// wantNoRefusals checks that no request was refused, neither by the rate nor by the
// budget.
func (e *export) wantNoRefusals(t *testing.T) {
	t.Helper()
	if s := e.portal.Stats(); s.Refused != 0 || s.RefusedCommands != 0 {
		t.Errorf("%d requests and %d commands were refused", s.Refused, s.RefusedCommands)
	}
}

// road is the way to a portal. It is safe for concurrent use.
type road struct {
	to http.RoundTripper
	// spread is by how much the slowest requests take longer than the quickest. A
	// request with the same body always takes the same time.
	spread time.Duration

	mu       sync.Mutex
	requests int64
	listing  int64         // requests for pages of the listing
	sent     time.Time     // when the last request was sent
	last     time.Duration // how long its answer took
}

func (r *road) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if r.spread > 0 {
		select {
		case <-time.After(time.Duration(crc32.ChecksumIEEE(text)) % r.spread):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	resp, err := r.to.RoundTrip(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if strings.Contains(string(text), "sale.payment.list") {
		r.listing++
	}
	if !start.Before(r.sent) {
		r.sent, r.last = start, time.Since(start)
	}
	return resp, err
}

// leastSpan returns how long the requests that were sent take at least under a rate
// limit: a burst at once, then one each time that the portal's counter falls; and the
// answer to the last one.
func (e *export) leastSpan(rate float64, burst int) time.Duration {
	return time.Duration(float64(e.road.requests-int64(burst))/rate*float64(time.Second)) + e.road.last
}

// leastRequests returns how many requests carry commands.
func leastRequests(commands int64) int64 {
	return int64(math.Ceil(float64(commands) / bitrix.MaxCommands))
}

// pages returns how many pages a listing has. The last one is short or empty.
func pages(payments int64) int64 { return payments/bitrix.PageSize + 1 }
