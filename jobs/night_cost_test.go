package jobs_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// change makes n changes: of four, one pays a payment, one unpays one, one deletes one,
// and one adds one.
func change(portal *bitrixtest.Portal, n int) (gets int64) {
	count := portal.Count()
	ids := make([]int64, count)
	i := 0
	for p := range portal.All() {
		ids[i] = p.ID
		i++
	}
	for i := range n {
		id := ids[int64(i)*(count-1)/int64(n)]
		switch p, _ := portal.Truth(id); {
		case i%4 == 0:
			portal.Delete(id)
		case i%4 == 1:
			portal.Add(p.OrderID)
			gets++
		case p.Paid:
			portal.Unpay(id)
			gets++
		default:
			portal.Pay(id)
			gets++
		}
	}
	return gets
}

// A night on 40,000 payments of which 400 have changed: its cost depends on the
// changes, and table and change feed are exact.
func TestNightCostsWhatHasChanged(t *testing.T) {
	slow(t)
	portal := bitrixtest.New(bitrixtest.Options{Seed: 6, Payments: 40_000, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, "")
	e.run(t, jobs.ExitComplete)
	before := e.table(t, "payments/portal=acme/payments.parquet")
	want := change(portal, 400)
	stats := portal.Stats()
	out := e.run(t, jobs.ExitComplete)
	now := portal.Stats()
	gets := now.Commands["crm.item.payment.get"] - stats.Commands["crm.item.payment.get"]
	requests := now.Requests - stats.Requests
	t.Logf("%d gets, %d requests; the full run before took %d", gets, requests, stats.Requests)
	if gets < want || gets > want+measuring || requests > 60 {
		t.Errorf("%d gets in %d requests; want %d and those that measure the dates, and at most 60 requests", gets, requests, want)
	}
	e.wantTable(t, portal, none)
	after := e.table(t, "payments/portal=acme/payments.parquet")
	feed := e.feed(t, out.Summary.Manifest)
	if diff := cmp.Diff(difference(before, after), feed); diff != "" || len(feed) != 400 {
		t.Errorf("%d changes in the feed (-want +got):\n%s", len(feed), diff)
	}
}

// A run measures the numbers in the table of the cost of listings, in docs/sources.md.
func TestCostOfListings(t *testing.T) {
	slow(t)
	text, err := os.ReadFile("../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	const payments = 10_000
	row := regexp.MustCompile("(?m)^\\| `([a-z]+)(?:, ([^`]*))?` \\| ([0-9.]+) \\|")
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 6 {
		t.Fatalf("docs/sources.md has %d rows of costs", len(rows))
	}
	for _, m := range rows {
		list, variant := m[1], m[2]
		t.Run(strings.TrimSpace(list+" "+variant), func(t *testing.T) {
			emptyTemp(t)
			options := bitrixtest.Options{Seed: 6, Payments: payments, AllowRegets: true, Strict: t}
			source := "list: " + list
			switch list {
			case "ids":
				source = "list: ids, ids: {from: 1, to: 1000000}"
			case "orders", "events":
				source = "since: " + list
			}
			portal := bitrixtest.New(options)
			run := func(since string) (requests int64) {
				e := newSinceJob(t, portal, since, "")
				if since == "list" {
					e = newRunJob(t, portal, "source: {"+source+"}")
				}
				before := portal.Stats().Requests
				gets := e.run(t, jobs.ExitComplete).Summary.Ledger.Got
				if since != "list" {
					portal.Mutate(payments/100, 1)
					before = portal.Stats().Requests
					gets = e.run(t, jobs.ExitComplete).Summary.Ledger.Got
				}
				return portal.Stats().Requests - before - (gets+48)/49
			}
			since := "list"
			if list == "orders" || list == "events" {
				since = list
			}
			told, err := strconv.ParseFloat(m[3], 64)
			if err != nil {
				t.Fatal(err)
			}
			if got := float64(run(since)) * 1000 / payments; math.Abs(got-told) > 0.1+told/10 {
				t.Errorf("%.2f requests for 1,000 payments; docs/sources.md says %s", got, m[3])
			}
		})
	}
}

// BenchmarkNight is a night on a million payments of which one in a hundred has changed,
// after a first full run. It reports its requests and those of the full run, the most
// memory in use at once, its CPU and that of its merge. The portal is in the same process,
// so the figures include its CPU and memory.
//
//	go test ./jobs -run '^$' -bench Night/1000000 -benchtime 1x
func BenchmarkNight(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				night(b, n)
			}
		})
	}
}

func night(b *testing.B, payments int) {
	b.StopTimer()
	portal := bitrixtest.New(bitrixtest.Options{Seed: 6, Payments: payments, AllowRegets: true})
	job := fmt.Sprintf("version: 1\nname: payments\nportals:\n  - name: acme\n    plan: unlimited\n    webhook: %s\nsink:\n  url: %s\n",
		portal.Webhook("https://acme.example"), b.TempDir())
	spec, err := jobfile.Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		b.Fatal(err)
	}
	opts := &jobs.RunOptions{Program: "b24export/test", Transport: portal.RoundTripper()}
	run := func() (requests int64, merge time.Duration) {
		o := *opts
		var merging, done atomic.Int64
		o.Watch = func(w *jobs.Watch) {
			go func() {
				for range time.Tick(time.Millisecond) {
					switch phase := w.Progress.Phase(); {
					case phase > pipeline.PhaseMerging:
						done.Store(int64(cpu()))
						return
					case phase == pipeline.PhaseMerging && merging.Load() == 0:
						merging.Store(int64(cpu()))
					}
				}
			}()
		}
		before := portal.Stats().Requests
		if out := jobs.Run(b.Context(), spec, &o)[0]; out.Err != nil {
			b.Fatal(out.Err)
		}
		return portal.Stats().Requests - before, time.Duration(done.Load() - merging.Load())
	}
	full, _ := run()
	change(portal, payments/100)
	stop, most := make(chan struct{}), make(chan uint64)
	go func() { most <- mostMemory(stop) }()
	start := cpu()
	b.StartTimer()
	requests, merge := run()
	b.StopTimer()
	close(stop)
	b.ReportMetric(float64(requests), "requests")
	b.ReportMetric(100*float64(requests)/float64(full), "%ofFull")
	b.ReportMetric(float64(<-most)/1e6, "MB")
	b.ReportMetric((cpu() - start).Seconds(), "cpu-s")
	b.ReportMetric(merge.Seconds(), "merge-cpu-s")
}

// mostMemory returns the most memory that the process had from the system, in bytes,
// until stop is closed.
func mostMemory(stop <-chan struct{}) (most uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		most = max(most, sample[0].Value.Uint64()-sample[1].Value.Uint64())
		select {
		case <-stop:
			return most
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// cpu returns the CPU time that the process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
