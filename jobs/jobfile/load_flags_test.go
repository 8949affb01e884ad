package jobfile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/pipeline"
)

const hook = "https://acme.bitrix24.com/rest/1/" + marked + "/"

func TestFromFlags(t *testing.T) {
	got, err := FromFlags(map[string]string{"to": "out"}, hook)
	if err != nil {
		t.Fatal(err)
	}
	want := minimalSpec()
	want.Sink.URL = "out"
	if diff := cmp.Diff(want, got, specsAsTheyAre); diff != "" {
		t.Errorf("one flag (-want +got):\n%s", diff)
	}

	got, err = fromFlags(map[string]string{
		"to": "gs://warehouse/x", "name": "p2", "portal": "hq", "mode": "backfill", "plan": "enterprise",
		"rate": "3", "burst": "7", "operating": "8s", "operating_window": "10s", "share": "0.5", "concurrency": "2",
		"list": "ids", "ids-file": "ids.txt", "batch": "never", "compression": "snappy",
		"row-group-rows": "5", "history": "0", "unsafe-no-fencing": "true", "checkpoint-every": "1s",
		"checkpoint-rows": "9", "rejects-max": "1%", "patience": "5m",
	}, hook)
	if err != nil {
		t.Fatal(err)
	}
	want = minimalSpec()
	want.Name, want.Mode, want.Patience = "p2", pipeline.Backfill, 5*time.Minute
	want.Portals[0].Name, want.Portals[0].Plan = "hq", PlanEnterprise
	want.Portals[0].Limits = LimitsSpec{
		Rate: new(3.0), Burst: new(7), Operating: new(8 * time.Second), OperatingWindow: new(10 * time.Second), Share: 0.5, Concurrency: 2,
	}
	want.Source = SourceSpec{List: ListIDs, IDs: IDsSpec{File: "ids.txt"}, Enrich: EnrichGet, Batch: BatchNever, Since: SinceList, RelatedEvery: 24 * time.Hour}
	want.Sink = SinkSpec{URL: "gs://warehouse/x", Compression: Snappy, Profile: Standard, RowGroupRows: 5, UnsafeNoFencing: true}
	want.Checkpoint = CheckpointSpec{Every: time.Second, Rows: 9}
	want.Rejects.Max = pipeline.RejectLimit{Share: 0.01}
	if diff := cmp.Diff(want, got, specsAsTheyAre); diff != "" {
		t.Errorf("many flags (-want +got):\n%s", diff)
	}
}

func TestFromFlagsProblems(t *testing.T) {
	tests := []struct {
		name, hook string
		flags      map[string]string
		want       []string
	}{
		{"nothing", "", nil, []string{
			"B24_WEBHOOK: is not set (it is the inbound webhook's address, https://HOST/rest/USER/SECRET/)",
			"--to: is missing (a bucket such as s3://warehouse/bitrix24, or a path)",
		}},
		{"a wrong webhook", "https://acme.bitrix24.com/" + marked, map[string]string{"to": "out"}, []string{
			"B24_WEBHOOK: ***: the path is not /rest/USER/SECRET/: must look like https://HOST/rest/USER/SECRET/ (Bitrix24: Developer resources, Other, Inbound webhook)",
		}},
		{"wrong values", hook, map[string]string{"to": "ftp://x", "rate": "-1", "mode": "fast", "fields": "companyId,id", "full-every": "7"}, []string{
			"--fields: id: has a column of its own: leave it out",
			"--full-every: 7: has no unit (such as 30s, 10m, 2h or 7d; 0: never)",
			"--mode: fast: must be full, incremental or backfill",
			"--rate: -1: must be 0 or more",
			"--to: ftp://x: must be s3://…, gs://…, azblob://…, file:///… or a path",
		}},
		{"unknown flags", hook, map[string]string{"to": "out", "moed": "full", "webhook": hook, hook: "x"}, []string{
			"--***: unknown flag",
			"--moed: unknown flag, did you mean --mode?",
			"--webhook: unknown flag",
		}},
		{"half a range", hook, map[string]string{"to": "out", "mode": "backfill", "billed-from": "2019-01-01", "list": "ids", "ids-to": "9"}, []string{
			"--ids-to: 9: cannot be given together with --billed-from: a backfill has one range",
			"--billed-to: is missing (it goes with --billed-from)",
		}},
		{"no range", hook, map[string]string{"to": "out", "mode": "backfill"}, []string{
			"--mode: backfill: needs to know which part of the past: --billed-from, --paid-from or --ids-from",
		}},
		{"contradictions", hook, map[string]string{"to": "out", "mode": "full", "full-every": "1d", "entity-types": "2", "rate": "5", "burst": "0"}, []string{
			"--full-every: 1d: has no effect with --mode: full (it needs --mode: incremental)",
			"--entity-types: 2: has no effect with --list: auto (it needs --list: items)",
			"--burst: 0: means no limit, which --rate contradicts",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fromFlags(tt.flags, tt.hook)
			got := fmt.Sprint(err)
			checkQuiet(t, got)
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverride(t *testing.T) {
	const job = `version: 1
name: payments
mode: incremental
full_every: 30d
portals:
  - webhook: ${B24_WEBHOOK}
  - webhook: ${B24_WEBHOOK_2}
source: {fields: [companyId]}
sink: {url: /data}
patience: never
`
	with := func(flags map[string]string) (*Spec, error) {
		return parse("job.yaml", []byte(job), environment, nil, flags)
	}
	s, err := with(map[string]string{"mode": "full", "plan": "enterprise", "fields": "comments, psSum", "patience": "1m", "to": "/other"})
	if err != nil {
		t.Fatal(err)
	}
	want := minimalSpec()
	want.Mode, want.FullEvery, want.Patience, want.Sink.URL = pipeline.Full, 30*24*time.Hour, time.Minute, "/other"
	want.Source.Fields = []string{"comments", "psSum"}
	want.Portals = append(want.Portals, want.Portals[0])
	want.Portals[1].Name, want.Portals[1].Webhook = "beta", bitrix.Secret("https://beta.bitrix24.com/rest/1/"+marked+"/")
	want.Portals[0].Plan, want.Portals[1].Plan = PlanEnterprise, PlanEnterprise
	if diff := cmp.Diff(want, s, specsAsTheyAre); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}

	_, err = with(map[string]string{"mode": "fast", "portal": "hq"})
	wantText := "--mode: fast: must be full, incremental or backfill\n" +
		"--portal: cannot rename the portals of a job file\n" +
		"job.yaml:10:11: patience: never: must be a duration (such as 30s, 10m, 2h or 7d)"
	if fmt.Sprint(err) != wantText {
		t.Errorf("got\n%v\nwant\n%s", err, wantText)
	}

	s, err = with(map[string]string{"mode": "backfill", "paid-from": "2020-01-01", "paid-to": "2020-02-01", "patience": "1m"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (DateRange{Date{2020, 1, 1}, Date{2020, 2, 1}}); s.Backfill.Paid != want || !s.Backfill.Billed.IsZero() {
		t.Errorf("backfill %+v, want paid %+v", s.Backfill, want)
	}
}

func TestPortalNames(t *testing.T) {
	for address, want := range map[string]string{
		"acme.bitrix24.com": "acme", "Acme.Bitrix24.ru": "acme", "a.bitrix24.com.br": "a", "bitrix24.com": "bitrix24-com",
		"crm.example.org": "crm-example-org", "crm.example.org:8443": "crm-example-org", "localhost:80": "localhost",
		"127.0.0.1:8080": "127-0-0-1", "[::1]:8080": "1", "": "", "пример.рф": "", strings.Repeat("x", 80): strings.Repeat("x", 63),
	} {
		got := portalNameOf(address)
		if address == "пример.рф" {
			got = strings.Trim(got, "-")
		}
		if got != want {
			t.Errorf("portalNameOf(%q) = %q, want %q", address, got, want)
		}
	}
}
