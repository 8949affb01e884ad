package jobfile

import (
	"testing"
	"time"

	"b24export/pipeline"
)

// TestFingerprintStays holds the fingerprint of the smallest job against the
// one that datasets out there have in their manifests.
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
