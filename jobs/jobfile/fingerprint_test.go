package jobfile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"b24export/pipeline"
)

// TestFingerprintStays compares the fingerprint of the smallest job with the one in the
// manifests of existing datasets.
func TestFingerprintStays(t *testing.T) {
	const want = "49943b83143423701e2a74e9dd9de62c"
	if got := minimalSpec().Fingerprint("acme"); got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

func TestFingerprint(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Spec)
		same   bool
	}{
		{"nothing", func(*Spec) {}, true},
		{"a new webhook", func(s *Spec) { s.Portals[0].Webhook = "https://acme.bitrix24.com/rest/7/other" }, true},
		{"the default port", func(s *Spec) { s.Portals[0].Webhook = "https://ACME.bitrix24.com:443/rest/7/other" }, true},
		{"access as an application", func(s *Spec) {
			s.Portals[0].Webhook, s.Portals[0].OAuth = "", &OAuthSpec{Portal: "https://acme.bitrix24.com", ClientSecret: "x"}
		}, true},
		{"another portal", func(s *Spec) { s.Portals[0].Webhook = "https://beta.bitrix24.com/rest/1/" + marked }, false},
		{"another port", func(s *Spec) { s.Portals[0].Webhook = "https://acme.bitrix24.com:8443/rest/1/" + marked }, false},
		{"one portal more", func(s *Spec) { s.Portals = append(s.Portals, PortalSpec{Name: "beta"}) }, true},
		{"mode", func(s *Spec) { s.Mode, s.FullEvery = pipeline.Full, 0 }, true},
		{"list", func(s *Spec) { s.Source.List = ListBindings }, false},
		{"entity types", func(s *Spec) { s.Source.EntityTypes = []int64{2} }, false},
		{"ids", func(s *Spec) { s.Source.IDs.To = 9 }, false},
		{"a file of ids", func(s *Spec) { s.Source.IDs.File = "ids.txt" }, false},
		{"ids of a backfill", func(s *Spec) {
			s.Mode, s.Source.List, s.Source.IDs = pipeline.Backfill, ListIDs, IDsSpec{From: 1, To: 9}
		}, true},
		{"enrich", func(s *Spec) { s.Source.Enrich = EnrichList }, false},
		{"fields", func(s *Spec) { s.Source.Fields = []string{"companyId"} }, false},
		{"signs of a change", func(s *Spec) { s.Source.Since, s.Source.Batch = SinceOrders, BatchNever }, true},
		{"the range of a backfill", func(s *Spec) { s.Backfill.Paid.From = Date{2020, 1, 1} }, true},
		{"the sink", func(s *Spec) { s.Sink, s.Name = SinkSpec{URL: "other"}, "other" }, true},
		{"the pace", func(s *Spec) {
			s.Portals[0].Plan, s.Portals[0].Limits, s.Patience = PlanUnlimited, LimitsSpec{Concurrency: 1}, time.Second
			s.Checkpoint, s.Rejects, s.Notify = CheckpointSpec{}, RejectsSpec{}, NotifySpec{}
		}, true},
	}
	want := minimalSpec().Fingerprint("acme")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := minimalSpec()
			tt.change(s)
			if got := s.Fingerprint("acme"); (got == want) != tt.same || len(got) != 32 {
				t.Errorf("fingerprint %s, that of the job as it was %s", got, want)
			}
		})
	}
	s := minimalSpec()
	s.Source.Fields = []string{"a", "b"}
	one := s.Fingerprint("acme")
	s.Source.Fields = []string{"b", "a"}
	if s.Fingerprint("acme") != one || s.Source.Fields[0] != "b" {
		t.Error("the order of fields matters, or was changed")
	}
	if got := s.Fingerprint("none"); got != "" {
		t.Errorf("fingerprint %q of a portal that is not there", got)
	}
}

// The fingerprint of a file of ids is that of its content, however its path is spelled.
func TestFingerprintOfAFileOfIDs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	of := func(path string) string {
		s := minimalSpec()
		s.Source.List, s.Source.IDs = ListIDs, IDsSpec{File: path}
		return s.Fingerprint("acme")
	}
	want := of(file("ids.txt", "1\n2\n30\n"))
	for _, tt := range []struct {
		name, path string
		same       bool
	}{
		{"another spelling", dir + "/./ids.txt", true},
		{"another name", file("copy.txt", "1\n2\n30\n"), true},
		{"comments, spaces and line ends", file("odd.txt", "\ufeff1\r\n  2 # two\n\n# more\n30"), true},
		{"another id", file("other.txt", "1\n2\n31\n"), false},
		{"one id less", file("less.txt", "1\n2\n"), false},
		{"none", file("empty.txt", ""), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := of(tt.path); (got == want) != tt.same {
				t.Errorf("fingerprint %s, want the same as %s: %v", got, want, tt.same)
			}
		})
	}
	t.Chdir(dir)
	if got := of("ids.txt"); got != want {
		t.Errorf("a relative path: fingerprint %s, want %s", got, want)
	}
	file("ids.txt", "1\n2\n30\n31\n")
	if got := of("ids.txt"); got == want {
		t.Error("the file has changed, and the fingerprint has not")
	}
}
