package jobs_test

import (
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// The manifest has the portal's time zone, with each way to find payments, and keeps it
// in nights that see nothing new.
func TestManifestTimeZone(t *testing.T) {
	for _, tt := range []struct {
		name, job string
		days      string // of the job's portal
		values    bitrixtest.ValueQuirks
		want      string
	}{
		{name: "summer time", values: bitrixtest.ValueQuirks{Zone: "Europe/Berlin"}, want: "Europe/Berlin"},
		{name: "summer time, dates of lists shifted", values: bitrixtest.ValueQuirks{Zone: "Europe/Berlin", ListShift: 2 * time.Hour}, want: "Europe/Berlin"},
		{name: "one offset", want: "+03:00"},
		{name: "by ids", job: "source: {list: ids, ids: {from: 1, to: 1000}}", values: bitrixtest.ValueQuirks{Zone: "Europe/Berlin"}, want: "Europe/Berlin"},
		{name: "by bindings", job: "source: {list: bindings}", values: bitrixtest.ValueQuirks{Zone: "America/New_York"}, want: "America/New_York"},
		{name: "by changed orders", job: "source: {since: orders}", values: bitrixtest.ValueQuirks{Zone: "Europe/Athens"}, want: "Europe/Athens"},
		{name: "the job names it", days: "Asia/Almaty", want: "Asia/Almaty"},
		{name: "the job names it, by bindings", days: "Asia/Almaty", job: "source: {list: bindings}", want: "Asia/Almaty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 600, AllowRegets: true, Strict: t, Values: tt.values})
			e := newRunJob(t, portal, tt.job)
			if tt.days != "" {
				var err error
				if e.spec.Portals[0].TimeZone, err = time.LoadLocation(tt.days); err != nil {
					t.Fatal(err)
				}
			}
			for night := 1; night <= 2; night++ {
				if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.TimeZone != tt.want {
					t.Errorf("night %d: time zone %q, want %q", night, m.TimeZone, tt.want)
				}
			}
		})
	}
}
