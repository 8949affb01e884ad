package jobs_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

const markedClientSecret = "markedclientsecret"

// newAppJob is like newRunJob for a portal with OAuth, whose tokens file has an access
// token that the portal knows.
func newAppJob(t *testing.T, portal *bitrixtest.Portal, extra string) *runJob {
	t.Helper()
	portal.Adjust(func(o *bitrixtest.Options) {
		o.OAuth.ClientID, o.OAuth.ClientSecret, o.OAuth.Endpoint = "local.1", markedClientSecret, "https://acme.example/rest/"
	})
	e := &runJob{folder: t.TempDir()}
	tokens := filepath.Join(t.TempDir(), "tokens.json")
	if err := os.WriteFile(tokens, []byte(`{"refresh_token":"`+portal.RefreshToken()+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	job := fmt.Sprintf("version: 1\nname: payments\nportals:\n  - name: acme\n    plan: unlimited\n    oauth:\n      portal: https://acme.example\n"+
		"      client_id: local.1\n      client_secret: %s\n      tokens: %s\nsink:\n  url: %s\n%s\n", markedClientSecret, tokens, e.folder, extra)
	var err error
	if e.spec, err = jobfile.Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil); err != nil {
		t.Fatal(err)
	}
	e.opts = &jobs.RunOptions{Program: "b24export/test", Transport: portal.RoundTripper()}
	app, err := bitrix.NewApplication("https://acme.example", "local.1", markedClientSecret, "", bitrix.NewTokenFile(tokens))
	if err != nil {
		t.Fatal(err)
	}
	client := bitrix.New(app, &bitrix.Options{Transport: portal.RoundTripper(), UserAgent: "b24export/test"})
	defer client.Close()
	if _, err := client.Call(t.Context(), "scope", nil); err != nil {
		t.Fatal(err)
	}
	return e
}

// outcome is how a run ends: with an exit code and, unless that is 0, with an error and
// a hint that contain these texts.
type outcome struct {
	exit        int
	error, hint string
}

func complete() outcome                { return outcome{} }
func rejected() outcome                { return outcome{exit: 3} }
func stops(error, hint string) outcome { return outcome{4, error, hint} }
func givesUp(error string) outcome     { return outcome{75, error, "run again"} }

// TestEveryError iterates over the table of the portal's errors. Each error is sent for
// one request or command, and then for all of them: in the answer to the run's first
// request, in one in its middle, and for commands of a batch; to a webhook and to an
// application. A complete run has every payment, as the portal has it.
func TestEveryError(t *testing.T) {
	const auth = "b24export auth JOB"
	failing := func(code string, status int) bitrixtest.Fault {
		return bitrixtest.Fault{Kind: bitrixtest.FaultError, Code: code, Status: status, Description: "so it is"}
	}
	network := func(kind bitrixtest.FaultKind, status int) bitrixtest.Fault {
		return bitrixtest.Fault{Kind: kind, Status: status}
	}
	type access struct{ once, stays outcome }
	type row struct {
		name    string
		fault   bitrixtest.Fault
		webhook access
		app     access
		command *access // for a command of a batch, if that differs; for both
	}
	passes := func(name string, fault bitrixtest.Fault, text string) row {
		both := access{complete(), givesUp(text)}
		return row{name: name, fault: fault, webhook: both, app: both}
	}
	final := func(code string, status int, webhook, app string) row {
		w, a := stops(code, webhook), stops(code, app)
		return row{name: code, fault: failing(code, status), webhook: access{w, w}, app: access{a, a}}
	}
	// The page of a gate may be temporary, but the run does not retry for all its
	// patience.
	page := func(status int) row {
		w := access{complete(), stops("HTML instead of JSON", "check the webhook's address")}
		a := access{complete(), stops("HTML instead of JSON", "check oauth.portal")}
		return row{name: fmt.Sprintf("HTML %d", status), fault: network(bitrixtest.FaultHTML, status), webhook: w, app: a}
	}
	table := []row{
		passes("INTERNAL_SERVER_ERROR", failing("INTERNAL_SERVER_ERROR", 500), "gave up waiting"),
		passes("ERROR_UNEXPECTED_ANSWER", failing("ERROR_UNEXPECTED_ANSWER", 500), "gave up waiting"),
		passes("QUERY_LIMIT_EXCEEDED", failing("QUERY_LIMIT_EXCEEDED", 503), "QUERY_LIMIT_EXCEEDED"),
		passes("OPERATION_TIME_LIMIT", failing("OPERATION_TIME_LIMIT", 429), "OPERATION_TIME_LIMIT"),
		{name: "ERROR_BATCH_METHOD_NOT_ALLOWED", fault: failing("ERROR_BATCH_METHOD_NOT_ALLOWED", 405),
			webhook: access{complete(), complete()}, app: access{complete(), complete()},
			// The error also occurs in the single call, so the portal's refusal is
			// permanent.
			command: &access{complete(), outcome{exit: 4, error: "ERROR_BATCH_METHOD_NOT_ALLOWED"}}},
		{name: "ERROR_BATCH_LENGTH_EXCEEDED", fault: failing("ERROR_BATCH_LENGTH_EXCEEDED", 400),
			webhook: access{complete(), outcome{exit: 4, error: "ERROR_BATCH_LENGTH_EXCEEDED"}},
			app:     access{complete(), outcome{exit: 4, error: "ERROR_BATCH_LENGTH_EXCEEDED"}}},
		{name: "expired_token", fault: failing("expired_token", 401),
			webhook: access{stops("expired_token", "a webhook never needs one"), stops("expired_token", "a webhook never needs one")},
			app:     access{complete(), stops("TOKEN_REFUSED", auth)}},
		final("NO_AUTH_FOUND", 401, "check the webhook's address", auth),
		final("invalid_token", 401, "check the webhook's address", auth),
		final("INVALID_REQUEST", 400, "with https", "with https"),
		final("OVERLOAD_LIMIT", 503, "Bitrix24's support", "Bitrix24's support"),
		{name: "ACCESS_DENIED", fault: failing("ACCESS_DENIED", 403),
			webhook: access{stops("ACCESS_DENIED", "subscription"), stops("ACCESS_DENIED", "subscription")},
			app:     access{stops("ACCESS_DENIED", "subscription"), stops("ACCESS_DENIED", "subscription")},
			// An error of one payment makes only that payment a reject.
			command: &access{rejected(), rejected()}},
		final("INVALID_CREDENTIALS", 403, "let an administrator create the webhook", auth),
		final("insufficient_scope", 403, "give the webhook the scope", "give the application the scope"),
		final("user_access_error", 403, "let an administrator create the webhook", auth),
		final("200040300010", 400, "let one create the webhook", auth),
		final("ERROR_METHOD_NOT_FOUND", 404, "the webhook has the scope", "the application has the scope"),
		final("ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, "the webhook has the scope", "the application has the scope"),
		final("PORTAL_DELETED", 500, "take it out of the job", "take it out of the job"),
		final("100", 400, "a fault of the program", "a fault of the program"),
		passes("connection refused", network(bitrixtest.FaultLostRequest, 0), "NO_ANSWER"),
		passes("answer lost", network(bitrixtest.FaultLostAnswer, 0), "NO_ANSWER"),
		passes("connection reset", network(bitrixtest.FaultReset, 0), "NO_ANSWER"),
		passes("cut short", network(bitrixtest.FaultTruncated, 0), "NO_ANSWER"),
		passes("broken JSON", network(bitrixtest.FaultHalfJSON, 0), "BAD_ANSWER"),
		passes("HTML 200", network(bitrixtest.FaultHTML, 200), "HTML instead of JSON"),
		passes("HTML 502", network(bitrixtest.FaultHTML, 502), "HTML instead of JSON"),
		passes("HTML 503", network(bitrixtest.FaultHTML, 503), "HTML instead of JSON"),
		page(401), page(403), page(404),
		passes("HTML 504", network(bitrixtest.FaultHTML, 504), "TIMEOUT"),
	}
	for _, row := range table {
		for _, oauth := range []bool{false, true} {
			for _, place := range []string{"first call", "middle", "inside a batch"} {
				way, want, fault := "webhook", row.webhook, row.fault
				if oauth {
					way, want = "OAuth", row.app
				}
				fault.Method = "batch"
				switch place {
				case "middle":
					fault.From = 4
				case "inside a batch":
					if fault.Kind != bitrixtest.FaultError {
						continue // this case does not exist
					}
					if row.command != nil {
						want = *row.command
					}
					fault.Kind, fault.Method = bitrixtest.FaultCommand, "crm.item.payment.get"
				}
				once := fault
				once.Times = 1
				t.Run(row.name+"/"+way+"/"+place+"/once", func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { ends(t, once, oauth, want.once) })
				})
				t.Run(row.name+"/"+way+"/"+place+"/stays", func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { ends(t, fault, oauth, want.stays) })
				})
			}
		}
	}
}

// ends runs a job against a portal with a fault, and checks how that ends.
func ends(t *testing.T, fault bitrixtest.Fault, oauth bool, want outcome) {
	t.Helper()
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 160, Strict: t, AllowRegets: true})
	const extra = "  compression: none\nsource: {list: sale}\nrejects: {max: 5}\npatience: 1m"
	make := newRunJob
	if oauth {
		make = newAppJob
	}
	e := make(t, portal, extra)
	var log strings.Builder
	e.opts.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	denied := map[int64]bool{}
	if fault.Kind == bitrixtest.FaultCommand {
		fault.IDs = []int64{portal.ID(60)}
		if fault.Times == 0 {
			fault.IDs = append(fault.IDs, portal.ID(120))
		}
		for _, id := range fault.IDs {
			denied[id] = true
		}
	}
	if fault.From > 0 {
		fault.From += int(portal.Stats().Requests)
	}
	portal.Adjust(func(o *bitrixtest.Options) { o.Faults = []bitrixtest.Fault{fault} })

	out := jobs.Run(t.Context(), e.spec, e.opts)[0]
	if out.Exit != want.exit {
		t.Fatalf("exit %d (%v), want %d", out.Exit, out.Err, want.exit)
	}
	if portal.Stats().Faults == 0 {
		t.Error("the fault has not come up")
	}
	switch {
	case out.Err == nil:
		e.wantTable(t, portal, func(p bitrixtest.Payment) bool { return want.exit == 3 && denied[p.ID] })
	case !strings.Contains(out.Err.Error(), want.error), !strings.Contains(jobs.Hint(out.Err), want.hint):
		t.Errorf("error %v\nhint  %s\nwant  %s\nhint  %s", out.Err, jobs.Hint(out.Err), want.error, want.hint)
	case want.exit == 4 && want.hint != "" && len(jobs.Hint(out.Err)) < 20:
		t.Errorf("hint %q", jobs.Hint(out.Err))
	}
	for _, secret := range []string{markedClientSecret, portal.RefreshToken(), strings.Split(portal.Webhook("https://x"), "/")[5]} {
		if strings.Contains(log.String()+fmt.Sprint(out.Err), secret) {
			t.Errorf("a secret is in the log or in the error: %s\n%v", &log, out.Err)
		}
	}
}

// TestRights iterates over missing rights. The error says which right is missing, and
// where to grant it.
func TestRights(t *testing.T) {
	const auth = "b24export auth JOB"
	for _, tt := range []struct {
		name         string
		edit         func(*bitrixtest.Options)
		webhook, app outcome
	}{
		{"scope sale missing", func(o *bitrixtest.Options) { o.Rights.Scopes = []string{"crm"} },
			stops("insufficient_scope", `give the webhook the scope "sale"`), stops("insufficient_scope", `give the application the scope "sale"`)},
		{"scope crm missing", func(o *bitrixtest.Options) { o.Rights.Scopes = []string{"sale"} },
			stops("insufficient_scope", `give the webhook the scope "crm"`), stops("insufficient_scope", `give the application the scope "crm"`)},
		{"not an administrator", func(o *bitrixtest.Options) { o.Rights.NotAdmin = true },
			stops("200040300010", "let one create the webhook"), stops("200040300010", auth)},
		{"no access to the application", func(o *bitrixtest.Options) { o.State = bitrixtest.StateNoUser },
			stops("user_access_error", "let an administrator create the webhook"), stops("user_access_error", auth)},
		{"too few rights", func(o *bitrixtest.Options) { o.State = bitrixtest.StateNoRight },
			stops("INVALID_CREDENTIALS", "let an administrator create the webhook"), stops("INVALID_CREDENTIALS", auth)},
		{"a plan without REST", func(o *bitrixtest.Options) { o.State = bitrixtest.StateNoPlan },
			stops("ACCESS_DENIED", "commercial plans"), stops("ACCESS_DENIED", "commercial plans")},
		{"blocked", func(o *bitrixtest.Options) { o.State = bitrixtest.StateBlocked },
			stops("OVERLOAD_LIMIT", "support"), stops("OVERLOAD_LIMIT", "support")},
		{"closed", func(o *bitrixtest.Options) { o.State = bitrixtest.StateClosed },
			stops("PORTAL_DELETED", "take it out of the job"), stops("PORTAL_DELETED", "take it out of the job")},
	} {
		for name, make := range map[string]func(*testing.T, *bitrixtest.Portal, string) *runJob{"webhook": newRunJob, "OAuth": newAppJob} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 100, Strict: t})
				e := make(t, portal, "source: {list: sale}")
				portal.Adjust(tt.edit)
				want := tt.webhook
				if name == "OAuth" {
					want = tt.app
				}
				out := e.run(t, want.exit)
				if !strings.Contains(out.Err.Error(), want.error) || !strings.Contains(jobs.Hint(out.Err), want.hint) {
					t.Errorf("error %v\nhint  %s\nwant  %s\nhint  %s", out.Err, jobs.Hint(out.Err), want.error, want.hint)
				}
			})
		}
	}
}
