package jobs_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// byHost sends each request to the portal that it is meant for.
type byHost map[string]http.RoundTripper

func (m byHost) RoundTrip(r *http.Request) (*http.Response, error) { return m[r.URL.Host].RoundTrip(r) }

// TestFleetIsAsQuickAsItsSlowest exports two hundred portals, each under its own
// limits. They take as long as the slowest of them alone. None waits for another.
func TestFleetIsAsQuickAsItsSlowest(t *testing.T) {
	slow(t)
	const portals = 200
	synctest.Test(t, func(t *testing.T) {
		hosts := byHost{}
		var job strings.Builder
		fmt.Fprintf(&job, "version: 1\nname: payments\nsink: {url: %q, compression: none}\nportals:\n", t.TempDir())
		var truth []*bitrixtest.Portal
		for i := range portals {
			host := fmt.Sprintf("p%d.example", i)
			portal := bitrixtest.New(bitrixtest.Options{
				Seed: uint64(i + 1), Payments: 200 + 3*i, Limits: bitrixtest.Limits{Rate: 2, Burst: 5}, Latency: 300 * time.Millisecond, Strict: t,
			})
			truth = append(truth, portal)
			hosts[host] = portal.RoundTripper()
			fmt.Fprintf(&job, "  - {name: p%d, webhook: %q, limits: {rate: 2, burst: 5}}\n", i, portal.Webhook("https://"+host))
		}
		spec, err := jobfile.Parse("job.yaml", []byte(job.String()), func(string) (string, bool) { return "", false }, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		outcomes := jobs.Run(t.Context(), spec, &jobs.RunOptions{Program: "b24export/test", Transport: hosts, Parallel: portals})
		took := time.Since(start).Seconds()
		slowest := 0.0
		for i, o := range outcomes {
			if o.Exit != 0 {
				t.Fatalf("%s: exit %d: %v", o.Portal, o.Exit, o.Err)
			}
			if got, want := o.Summary.Manifest.Ledger.Got, int64(200+3*i); got != want {
				t.Errorf("%s: %d payments, want %d", o.Portal, got, want)
			}
			if s := truth[i].Stats(); s.Refused > 0 {
				t.Errorf("%s refused %d requests", o.Portal, s.Refused)
			}
			slowest = max(slowest, o.Seconds)
		}
		t.Logf("%d portals in %.1f s, the slowest in %.1f s", portals, took, slowest)
		if took > 1.1*slowest {
			t.Errorf("the fleet took %.1f s, its slowest portal %.1f s", took, slowest)
		}
		if alone := outcomes[0].Seconds; slowest < 1.5*alone {
			t.Errorf("the slowest took %.1f s and the quickest %.1f s: nobody was slow enough to tell", slowest, alone)
		}
	})
}
