package jobs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// A run whose clock was far ahead does not keep later runs from reading the related
// tables, or from running at all.
func TestClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 17, Payments: 200, Rights: everyScope, AllowRegets: true, Strict: t})
		e := newBubbleJob(t, portal, allRelated)
		e.opts.Now = func() time.Time { return time.Now().AddDate(10, 0, 0) }
		e.run(t, jobs.ExitComplete)
		e.opts.Now = nil
		before := portal.Stats().Commands["user.get"]
		e.opts.IfOlder = 12 * time.Hour
		change(portal, 20)
		e.run(t, jobs.ExitComplete)
		e.wantTable(t, portal, none)
		if portal.Stats().Commands["user.get"] == before {
			t.Error("related tables were not read again")
		}
	})
}

// A night that ends some minutes earlier than the one before also reads the related
// tables.
func TestRelatedTablesEachNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 17, Payments: 200, Rights: everyScope, AllowRegets: true, Strict: t})
		e := newBubbleJob(t, portal, allRelated)
		e.run(t, jobs.ExitComplete)
		before := portal.Stats().Commands["user.get"]
		time.Sleep(24*time.Hour - 5*time.Minute)
		e.run(t, jobs.ExitComplete)
		if portal.Stats().Commands["user.get"] == before {
			t.Error("related tables were not read again")
		}
	})
}
