package jobs_test

import (
	"fmt"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// BenchmarkRun exports a fake portal without limits in this process, from the listing
// to the manifest: with a get of every payment, with the listed values, and a night
// without changes. The figures include the portal's own work; in e2e/speed it is a
// separate process.
func BenchmarkRun(b *testing.B) {
	const payments = 20_000
	for _, bench := range []struct{ name, source, mode string }{
		{"get", "get", "full"},
		{"list", "list", "full"},
		{"night", "get", "incremental"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: payments, AllowRegets: true})
			job := fmt.Sprintf("version: 1\nname: payments\nmode: %s\nportals:\n  - name: acme\n    plan: unlimited\n    webhook: %s\n"+
				"source:\n  enrich: %s\nsink:\n  url: %s\n  history: 1\n",
				bench.mode, portal.Webhook("https://acme.example"), bench.source, b.TempDir())
			spec, err := jobfile.Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil)
			if err != nil {
				b.Fatal(err)
			}
			run := func() {
				opts := &jobs.RunOptions{Program: "b24export/test", Transport: portal.RoundTripper()}
				if out := jobs.Run(b.Context(), spec, opts)[0]; out.Err != nil {
					b.Fatal(out.Err)
				}
			}
			if bench.mode == "incremental" {
				run() // the first is a full one
			}
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(payments*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
