package jobs_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// TestRunByOAuth: a run of 16 workers whose token expires at every 20th request is
// complete and exact, with one refresh for each expiry. The same is true if the portal
// was renamed meanwhile, which the log shows.
func TestRunByOAuth(t *testing.T) {
	for _, renamed := range []string{"", "https://new.acme.example"} {
		t.Run("renamed "+renamed, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: 900, Strict: t, Latency: 80 * time.Millisecond, Jitter: 200 * time.Millisecond,
					OAuth: bitrixtest.OAuth{ExpireAfter: 20}})
				e := newAppJob(t, portal, "  compression: none\nsource: {list: sale, batch: never}")
				e.spec.Portals[0].Limits.Concurrency = 16
				var log strings.Builder
				e.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
				portal.Adjust(func(o *bitrixtest.Options) { o.MovedTo = renamed })
				e.run(t, 0)
				e.wantTable(t, portal, func(bitrixtest.Payment) bool { return false })
				s := portal.Stats()
				if served := s.Requests - s.Refreshes; s.Refreshes < 40 || s.Refreshes > served/20+1 {
					t.Errorf("%d refreshes for %d requests, want one for 20", s.Refreshes, s.Requests)
				}
				if told := strings.Count(log.String(), "update the job"); told != len(renamed)/len("https://new.acme.example") {
					t.Errorf("told %d times that the portal was renamed:\n%s", told, &log)
				}
			})
		})
	}
}

// TestLostTokens: if a refresh token becomes invalid during a run, the run ends with
// what to do. With new tokens the next run continues and is exact.
func TestLostTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: 900, Strict: t, AllowRegets: true, OAuth: bitrixtest.OAuth{ExpireAfter: 8}})
		e := newAppJob(t, portal, "  compression: none\nsource: {list: sale}\ncheckpoint: {rows: 100}")
		e.spec.Portals[0].Limits.Concurrency = 1 // so that some payments are fetched before the tokens are lost
		portal.Adjust(func(o *bitrixtest.Options) {
			o.Faults = []bitrixtest.Fault{{Kind: bitrixtest.FaultLostAnswer, Method: bitrixtest.TokenMethod, Times: 1}}
		})
		out := e.run(t, 4)
		if !strings.Contains(out.Err.Error(), "invalid_grant") || !strings.Contains(out.Err.Error(), "interrupted before its tokens were stored") ||
			!strings.Contains(jobs.Hint(out.Err), "b24export auth JOB") {
			t.Errorf("error %v\nhint  %s", out.Err, jobs.Hint(out.Err))
		}
		if err := os.WriteFile(e.spec.Portals[0].OAuth.Tokens.Reveal(), []byte(`{"refresh_token":"`+portal.RefreshToken()+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		portal.ExpireTokens() // no client has the lost one
		portal.Adjust(func(o *bitrixtest.Options) { o.OAuth.ExpireAfter = 0 })
		if out := e.run(t, 0); !out.Summary.Resumed {
			t.Error("the next run has not gone on")
		}
		e.wantTable(t, portal, func(bitrixtest.Payment) bool { return false })
	})
}
