package jobfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/pipeline"
)

// minimalSpec returns the spec of the smallest job.
func minimalSpec() *Spec {
	return &Spec{
		Version:   1,
		Name:      "payments",
		Mode:      pipeline.Incremental,
		FullEvery: 7 * 24 * time.Hour,
		Portals: []PortalSpec{{
			Name:    "acme",
			Webhook: bitrix.Secret("https://acme.bitrix24.com/rest/1/" + marked + "/"),
			Plan:    PlanStandard,
			Limits:  LimitsSpec{Share: 1},
		}},
		Source:     SourceSpec{List: ListAuto, Enrich: EnrichGet, Batch: BatchAuto, Since: SinceList, RelatedEvery: 24 * time.Hour},
		Sink:       SinkSpec{URL: "s3://warehouse/bitrix24?region=eu-central-1", Compression: Zstd, Profile: Standard, RowGroupRows: 122_880, History: 30},
		Checkpoint: CheckpointSpec{Every: time.Minute, Rows: 50_000},
		Rejects:    RejectsSpec{Max: pipeline.RejectLimit{Share: 0.001}},
		Deletes:    DeletesSpec{Max: pipeline.DeleteLimit{Share: 0.2}},
		Patience:   30 * time.Minute,
		Notify:     NotifySpec{On: []Event{OnFailure, OnRejects}},
	}
}

func TestExamples(t *testing.T) {
	lookup := func(name string) (string, bool) {
		switch name {
		case "HQ_WEBHOOK":
			return "https://hq.bitrix24.de/rest/7/abc/", true
		case "OWN_WEBHOOK":
			return "https://crm.example.org/rest/1/def/", true
		}
		return environment(name)
	}
	readFile := func(path string) ([]byte, error) {
		if number, ok := strings.CutPrefix(path, "/run/secrets/customer-"); ok {
			return []byte("https://customer" + number + ".bitrix24.de/rest/1/jkl/\n"), nil
		}
		if path == filepath.Join("..", "examples", "portals", "customers.yaml") {
			return os.ReadFile(path)
		}
		if path != "/run/secrets/south-webhook" {
			return nil, fs.ErrNotExist
		}
		return []byte("https://south.bitrix24.de/rest/7/ghi/\n"), nil
	}
	full := minimalSpec()
	full.Source.Fields = []string{"companyId", "comments"}
	full.Portals[0].Limits = LimitsSpec{
		Rate: new(2.0), Burst: new(50), Operating: new(480 * time.Second), OperatingWindow: new(10 * time.Minute),
		Share: 1, Concurrency: 16,
	}
	nightly := minimalSpec()
	nightly.FullEvery = 30 * 24 * time.Hour
	nightly.Portals = []PortalSpec{
		{Name: "hq", Webhook: "https://hq.bitrix24.de/rest/7/abc/", Plan: PlanEnterprise, Limits: LimitsSpec{Share: 0.8}},
		{Name: "south", Webhook: "https://south.bitrix24.de/rest/7/ghi/", Plan: PlanStandard, Limits: LimitsSpec{Share: 1}},
		{Name: "own-server", Webhook: "https://crm.example.org/rest/1/def/", Plan: PlanUnlimited, Limits: LimitsSpec{Share: 1, Concurrency: 4}},
	}
	nightly.Source.Fields = []string{"companyId", "comments"}
	nightly.Sink.URL, nightly.Sink.History = "gs://warehouse/bitrix24", 14
	nightly.Rejects.Max = pipeline.RejectLimit{Count: 25}
	nightly.Patience = 2 * time.Hour

	agency := minimalSpec()
	agency.Include, agency.Portals = []string{"portals/customers.yaml"}, nil
	for i := range 20 {
		p := PortalSpec{
			Name:    fmt.Sprintf("customer-%02d", i+1),
			Webhook: bitrix.Secret(fmt.Sprintf("https://customer%02d.bitrix24.de/rest/1/jkl/", i+1)),
			Plan:    PlanStandard, Limits: LimitsSpec{Share: 1},
		}
		if i == 6 {
			p.Plan = PlanEnterprise
		}
		agency.Portals = append(agency.Portals, p)
	}
	agency.Sink.URL, agency.Sink.History = "s3://agency-warehouse/bitrix24?region=eu-central-1", 14
	agency.Patience = time.Hour

	backfill := minimalSpec()
	backfill.Mode = pipeline.Backfill
	backfill.Backfill.Billed = DateRange{From: Date{2019, 1, 1}, To: Date{2024, 1, 1}}
	backfill.Portals[0].Limits.Share = 0.5
	backfill.Source.Fields = []string{"companyId", "comments"}
	backfill.Rejects.Max = pipeline.RejectLimit{Share: 0.01}
	backfill.Patience = 12 * time.Hour

	for name, want := range map[string]*Spec{
		"backfill.yaml": backfill,
		"minimal.yaml":  minimalSpec(), "full.yaml": full, "nightly.yaml": nightly, "agency.yaml": agency,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("..", "examples", name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(path, data, lookup, readFile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, specsAsTheyAre); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
	if data, err := os.ReadFile("../examples/minimal.yaml"); err != nil || strings.Count(string(data), "\n") != 6 {
		t.Errorf("minimal.yaml has %d lines (error %v), want 6", strings.Count(string(data), "\n"), err)
	}
}

// specsAsTheyAre makes cmp compare secrets, which print as ***.
var specsAsTheyAre = cmp.Transformer("reveal", func(s bitrix.Secret) string { return s.Reveal() })

// everything is a job with every key of the contract with users, except keys that
// exclude each other.
const everything = `
version: 1
name: payments_2
mode: backfill
portals:
  - name: acme
    webhook: ${B24_WEBHOOK}
  - name: beta
    oauth:
      portal: https://Beta.bitrix24.com/
      client_id: ${B24_CLIENT_ID}
      client_secret: ${B24_CLIENT_SECRET}
      tokens: state/beta.json
    plan: enterprise
    limits:
      rate: 2.5
      burst: 100
      operating: 0
      share: 0.8
      concurrency: 4
source:
  list: sale
  enrich: list
  batch: never
  fields: [companyId, "comments"]
backfill:
  billed: {from: 2019-01-01, to: 2024-02-29}
sink:
  url: out/data
  compression: none
  row_group_rows: 1000
  history: 0
  unsafe_no_fencing: true
checkpoint:
  every: 1m30s
  rows: 10
rejects: {max: 3}
deletes: {max: 7}
patience: 1d12h
notify:
  url: ${HOOK_URL}
  secret: ${TOKEN}
  on:
    - success
`

func TestParseEverything(t *testing.T) {
	got, err := parse("conf/job.yaml", []byte(everything), environment, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Spec{
		Version:   1,
		Name:      "payments_2",
		Mode:      pipeline.Backfill,
		FullEvery: 7 * 24 * time.Hour,
		Portals: []PortalSpec{{
			Name:    "acme",
			Webhook: bitrix.Secret("https://acme.bitrix24.com/rest/1/" + marked + "/"),
			Plan:    PlanStandard,
			Limits:  LimitsSpec{Share: 1},
		}, {
			Name: "beta",
			OAuth: &OAuthSpec{
				Portal: "https://beta.bitrix24.com", ClientID: "local.5f3e", ClientSecret: marked,
				Tokens: bitrix.Secret(filepath.FromSlash("conf/state/beta.json")), Server: "https://oauth.bitrix.info",
			},
			Plan:   PlanEnterprise,
			Limits: LimitsSpec{Rate: new(2.5), Burst: new(100), Operating: new(time.Duration(0)), Share: 0.8, Concurrency: 4},
		}},
		Source:     SourceSpec{List: ListSale, Enrich: EnrichList, Batch: BatchNever, Fields: []string{"companyId", "comments"}, Since: SinceList, RelatedEvery: 24 * time.Hour},
		Backfill:   BackfillSpec{Billed: DateRange{From: Date{2019, 1, 1}, To: Date{2024, 2, 29}}},
		Sink:       SinkSpec{URL: "conf/out/data", Former: "out/data", Compression: Uncompressed, Profile: Standard, RowGroupRows: 1000, UnsafeNoFencing: true},
		Checkpoint: CheckpointSpec{Every: 90 * time.Second, Rows: 10},
		Rejects:    RejectsSpec{Max: pipeline.RejectLimit{Count: 3}},
		Deletes:    DeletesSpec{Max: pipeline.DeleteLimit{Count: 7}},
		Patience:   36 * time.Hour,
		Notify:     NotifySpec{URL: bitrix.Secret("https://hooks.example.org/" + marked), Secret: marked, On: []Event{OnSuccess}},
	}
	if diff := cmp.Diff(want, got, specsAsTheyAre); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	for _, text := range []string{fmt.Sprintf("%v", got), fmt.Sprintf("%+v", *got), fmt.Sprintf("%#v", got.Portals[1].OAuth), fmt.Sprintf("%s %q", got.Notify.URL, got.Portals[0].Webhook)} {
		if strings.Contains(text, marked) {
			t.Errorf("a printed spec shows a secret: %s", text)
		}
	}
}

func TestParseForms(t *testing.T) {
	const small = "version: 1\nname: payments\nportals:\n  - webhook: ${B24_WEBHOOK}\nsink:\n  url: /data\n"
	tests := []struct {
		name, job string
		check     func(*Spec) bool
	}{
		{"crlf", strings.ReplaceAll(small, "\n", "\r\n"), func(s *Spec) bool { return s.Sink.URL == "/data" }},
		{"byte order mark", "\ufeff" + small, func(s *Spec) bool { return s.Version == 1 }},
		{"separator in front", "# a job\n---\n" + small, func(s *Spec) bool { return s.Version == 1 }},
		{"braces", `{version: 1, name: payments, portals: [{webhook: "${B24_WEBHOOK}"}], sink: {url: /data}}`, func(s *Spec) bool { return s.Portals[0].Name == "acme" }},
		{"JSON", `{"version": 1, "name": "payments", "portals": [{"webhook": "${B24_WEBHOOK}"}], "sink": {"url": "/data"}}`, func(s *Spec) bool { return s.Portals[0].Name == "acme" }},
		{"quoted number", small + "checkpoint: {rows: \"7\"}\n", func(s *Spec) bool { return s.Checkpoint.Rows == 7 }},
		{"number as a name", strings.Replace(small, "payments", "2024", 1), func(s *Spec) bool { return s.Name == "2024" }},
		{"section with nothing in it", small + "source:\n#  list: sale\nbackfill: {}\n", func(s *Spec) bool { return s.Source.List == ListAuto }},
		{"empty list", small + "source: {fields: []}\n", func(s *Spec) bool { return len(s.Source.Fields) == 0 }},
		{"comment with a reference", small + "# url: ${NOPE}\n", func(s *Spec) bool { return s.Sink.URL == "/data" }},
		{"windows path", strings.Replace(small, "/data", `C:\data`, 1), func(s *Spec) bool { return s.Sink.URL == `C:\data` }},
		{"loopback portal", strings.Replace(small, "${B24_WEBHOOK}", "http://127.0.0.1:8080/rest/1/abc", 1), func(s *Spec) bool {
			return s.Portals[0].Name == "127-0-0-1" && s.Portals[0].Address() == "127.0.0.1:8080"
		}},
		{"folded text", strings.Replace(small, "url: /data", "url: >-\n    /data", 1), func(s *Spec) bool { return s.Sink.URL == "/data" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse("job.yaml", []byte(tt.job), environment, nil)
			if err != nil {
				t.Fatalf("job:\n%s\nerror: %v", tt.job, err)
			}
			if !tt.check(s) {
				t.Errorf("job:\n%s\nspec: %+v", tt.job, s)
			}
		})
	}
}

// TestParseNoText parses files that a transcript cannot contain.
func TestParseNoText(t *testing.T) {
	tests := []struct{ name, job, want string }{
		{"not UTF-8", "version: 1\nname: caf\xe9\n", "job.yaml:2:10: is not UTF-8 text"},
		{"UTF-16", "\xff\xfev\x00e\x00", "job.yaml:1:1: is not UTF-8 text"},
		{"control character", "version: 1\nname: \x1b[31m\n", "job.yaml:2:7: has the control character U+001B"},
		{"zero byte", "\x00", "job.yaml:1:1: has the control character U+0000"},
		{"large", strings.Repeat("#", maxFile+1), "job.yaml: the file is larger than 4 MiB; is it a job file?"},
		{"long line", "# " + strings.Repeat("x", maxLine), "job.yaml:1:1: the line has more than 65536 characters"},
		{"many brackets", "a: " + strings.Repeat("[", maxLine-10), "job.yaml:1:35: is nested more than 32 deep"},
		{"many brackets in lines", "a: " + strings.Repeat("[\n", maxFile/2-2), "job.yaml:32:1: is nested more than 32 deep"},
		{"many braces", strings.Repeat("{a: ", maxLine/5), "job.yaml:1:129: is nested more than 32 deep"},
		{"many dashes", strings.Repeat("- ", maxLine/3), "job.yaml:1:65: is nested more than 32 deep"},
		{"many keys in a line", strings.Repeat("a: ", maxLine/4), "job.yaml:1:98: is nested more than 32 deep"},
		{"many lines", strings.Repeat("- a\n", maxTokens), "job.yaml: the file has more than 200000 words and signs; is it a job file?"},
		{"many commas", "a: [\n" + strings.Repeat("a,\n", maxTokens), "job.yaml: the file has more than 200000 words and signs; is it a job file?"},
		{"many quotes", strings.Repeat("\"\"\n", maxTokens+1), "job.yaml: the file has more than 200000 words and signs; is it a job file?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("job.yaml", []byte(tt.job), environment, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	many := strings.Repeat("x: 1\n", 60)
	_, err := Parse("job.yaml", []byte(many), environment, nil)
	if got := strings.Count(fmt.Sprint(err), "\n"); got != shownProblems {
		t.Errorf("%d line breaks in the text of many problems, want %d:\n%v", got, shownProblems, err)
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("hook.txt", "https://acme.bitrix24.com/rest/1/"+marked+"/\r\n")
	write("long.txt", strings.Repeat("x", maxReference+1))
	job := write("job.yaml", "version: 1\nname: payments\nportals:\n  - webhook: ${file:hook.txt}\nsink:\n  url: data\n")
	s, err := Load(job, environment)
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://acme.bitrix24.com/rest/1/" + marked + "/"; s.Portals[0].Webhook.Reveal() != want || s.Sink.URL != filepath.Join(folder, "data") {
		t.Errorf("webhook %q, sink %q", s.Portals[0].Webhook.Reveal(), s.Sink.URL)
	}

	long := write("long.yaml", "version: 1\nname: payments\nportals:\n  - webhook: ${file:long.txt}\nsink:\n  url: ${file:.}\n")
	_, err = Load(long, environment)
	want := fmt.Sprintf("%[1]s:4:14: portals[0].webhook: ${file:long.txt}: file %[2]s is longer than 64 KiB\n"+
		"%[1]s:6:8: sink.url: ${file:.}: file %[3]s cannot be read", long, filepath.Join(folder, "long.txt"), folder)
	if len(folder) < maxShown-10 && fmt.Sprint(err) != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}

	huge := write("huge.yaml", strings.Repeat(" ", maxFile+1))
	if _, err := Load(huge, environment); err == nil || err.Error() != huge+": the file is larger than 4 MiB; is it a job file?" {
		t.Errorf("huge file: %v", err)
	}
}

func TestResolvedPaths(t *testing.T) {
	base := "version: 1\nname: payments\nportals:\n  - webhook: ${B24_WEBHOOK}\nsink:\n  url: data\nsource: {list: ids, ids: {file: %s}}\n"
	for in, want := range map[string]string{"ids.txt": "conf/ids.txt", "../ids.txt": "ids.txt", "/srv/ids.txt": "/srv/ids.txt"} {
		s, err := parse("conf/job.yaml", fmt.Appendf(nil, base, in), environment, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.ToSlash(s.Source.IDs.File); got != want || s.Sink.URL != filepath.Join("conf", "data") {
			t.Errorf("file %s: %s, sink %s; want %s, conf/data", in, got, s.Sink.URL, want)
		}
	}
}

// A sink's path is relative to the job file's folder, unless it is absolute, an address
// or from a flag. The spec also has the path as version 0.1.0 read it.
func TestSinkPaths(t *testing.T) {
	base := "version: 1\nname: payments\nportals:\n  - webhook: ${B24_WEBHOOK}\nsink:\n  url: %s\n"
	for _, tt := range []struct{ file, url, flag, want, former string }{
		{"conf/job.yaml", "data", "", "conf/data", "data"},
		{"conf/job.yaml", "./data/", "", "conf/data", "./data/"},
		{"conf/job.yaml", "../data", "", "data", "../data"},
		{"conf/job.yaml", "/srv/data", "", "/srv/data", ""},
		{"conf/job.yaml", "s3://bucket/data", "", "s3://bucket/data", ""},
		{"conf/job.yaml", "file:///srv/data", "", "file:///srv/data", ""},
		{"conf/job.yaml", "data", "other", "other", ""},
		{"job.yaml", "data", "", "data", ""},
		{"./job.yaml", "./data", "", "data", ""},
	} {
		flags := map[string]string{}
		if tt.flag != "" {
			flags["to"] = tt.flag
		}
		s, err := parse(tt.file, fmt.Appendf(nil, base, tt.url), environment, nil, flags)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.ToSlash(s.Sink.URL) != tt.want || s.Sink.Former != tt.former {
			t.Errorf("%s in %s: %s, formerly %q; want %s, %q", tt.url, tt.file, s.Sink.URL, s.Sink.Former, tt.want, tt.former)
		}
	}
}

// A command that only reads needs no secret, but the names of portals.
func TestLoadReading(t *testing.T) {
	nothing := func(string) (string, bool) { return "", false }
	noFile := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	read := func(text string) (*Spec, error) { return parseReading("job.yaml", []byte(text), nothing, noFile) }
	for _, access := range []string{
		"webhook: ${B24_WEBHOOK}", "webhook: ${file:hook.txt}", "webhook: https://${HOST}/rest/1/${SECRET}/", "webhook: no address",
		"oauth: {portal: https://acme.bitrix24.com, client_id: \"${ID}\", client_secret: \"${SECRET}\", tokens: \"${TOKENS}\"}",
	} {
		s, err := read("version: 1\nname: payments\nportals:\n  - name: acme\n    " + access +
			"\n  - name: beta\n    " + access + "\nsink: {url: data}\nnotify: {url: \"${HOOK}\", secret: \"${HOOK_SECRET}\", on: [failure]}\n")
		if err != nil {
			t.Errorf("%s: %v", access, err)
			continue
		}
		if len(s.Portals) != 2 || s.Portals[0].Name != "acme" || s.Portals[1].Name != "beta" || s.Sink.URL != "data" {
			t.Errorf("%s: %+v", access, s)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"version: 1\nname: payments\nportals:\n  - webhook: ${B24_WEBHOOK}\nsink: {url: data}\n", "portals[0].name: is missing, and the portal's address"},
		{"version: 1\nname: payments\nportals:\n  - {name: acme, webhook: x}\nsink: {url: \"${BUCKET}\"}\n", "environment variable BUCKET is not set"},
		{"version: 1\nname: payments\nportals:\n  - {name: acme}\nsink: {url: data}\n", "portals[0].webhook: is missing"},
		{"version: 1\nname: payments\nportals:\n  - {name: acme, webhook: x, wubhook: y}\nsink: {url: data}\n", "unknown key `wubhook`"},
	} {
		if _, err := read(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
	// With its address it has a name.
	s, err := parseReading("job.yaml", []byte("version: 1\nname: payments\nportals:\n  - webhook: ${B24_WEBHOOK}\nsink: {url: data}\n"), environment, noFile)
	if err != nil || s.Portals[0].Name != "acme" {
		t.Errorf("%v, %v", s, err)
	}

	s, err = Reading("s3://bucket/data", "payments", []string{"acme", "beta"})
	if err != nil || s.Name != "payments" || s.Sink.URL != "s3://bucket/data" || len(s.Portals) != 2 || s.Patience == 0 || s.Sink.History == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Reading("ftp://x", "Payments", nil); err == nil || !strings.Contains(err.Error(), "--from") || !strings.Contains(err.Error(), "--name") {
		t.Errorf("got %v", err)
	}
}

// A folder where the job file belongs is usually that of a dataset.
func TestLoadSaysWhatToDoWithoutFile(t *testing.T) {
	folder := t.TempDir()
	none := filepath.Join(folder, "none.yaml")
	for _, tt := range []struct {
		load func(string, func(string) (string, bool)) (*Spec, error)
		path string
		want Problem
	}{
		{Load, none, Problem{What: "the job file does not exist", Hint: "b24export init writes one"}},
		{LoadReading, none, Problem{What: "the job file does not exist", Hint: "--from reads a dataset without one"}},
		{Load, folder, Problem{What: "is a folder, not a job file", Hint: "name the file in it"}},
		{LoadReading, folder, Problem{What: "is a folder, not a job file", Hint: "name the file in it, or read a dataset in this folder with --from"}},
	} {
		_, err := tt.load(tt.path, environment)
		if got, ok := errors.AsType[*Problems](err); !ok || got.File != tt.path || len(got.Items) != 1 || got.Items[0] != tt.want {
			t.Errorf("load %s: got %v, want %v", tt.path, err, tt.want)
		}
	}
}
