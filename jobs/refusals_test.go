package jobs_test

import (
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// A database with temporary errors answers with codes that also mean "not found". No
// row is lost, and none becomes a reject.
func TestDatabaseInTrouble(t *testing.T) {
	for _, tt := range []struct{ code, text string }{
		{"ERROR_CORE", "SQL query error!"},
		{"0", "Lock wait timeout exceeded; try restarting transaction"},
		{"", "Deadlock found when trying to get lock"},
		{"0", "error"},
	} {
		for _, method := range []string{"crm.item.payment.get", "sale.payment.list", "crm.orderentity.list"} {
			bubble(t, method+" "+tt.code+" "+tt.text, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Payments: 500, AllowRegets: true, Strict: t})
				e := newBubbleJob(t, portal, "mode: full")
				e.run(t, jobs.ExitComplete)
				faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultCommand, Method: method, Code: tt.code, Description: tt.text, Status: 500, Times: 99})
				e.run(t, jobs.ExitComplete)
				e.wantTable(t, portal, none)
			})
		}
	}
	// A permanent error is temporary for a list, and a reject for a payment.
	bubble(t, "lasting, of a list", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true, Strict: t})
		e := newBubbleJob(t, portal, "patience: 2m")
		e.run(t, jobs.ExitComplete)
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultCommand, Method: "sale.payment.list", Code: "ERROR_CORE", Description: "SQL query error!", Status: 500})
		e.run(t, jobs.ExitTemporary)
		e.wantTable(t, portal, none)
	})
	bubble(t, "lasting, of a payment", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true, Strict: t})
		e := newBubbleJob(t, portal, "mode: full")
		e.run(t, jobs.ExitComplete)
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultCommand, Method: "crm.item.payment.get", IDs: []int64{portal.ID(7)}, Code: "ERROR_CORE", Description: "SQL query error!", Status: 500})
		if l := e.run(t, jobs.ExitRejects).Summary.Ledger; l.Rejected != 1 || l.Kept != 1 {
			t.Errorf("ledger %+v, want one reject that keeps its row", l)
		}
		e.wantTable(t, portal, none)
	})
}

// The meaning of a refusal does not depend on its status.
func TestRefusalsMeanWhatTheyMean(t *testing.T) {
	for _, tt := range []struct {
		state bitrixtest.State
		exit  int
		hint  string
	}{
		{bitrixtest.StateDeleted, jobs.ExitRefused, "webhook was deleted"},
		{bitrixtest.StateDismissed, jobs.ExitRefused, "owner was dismissed"},
		{bitrixtest.StateLapsed, jobs.ExitRefused, "commercial plans"},
		{bitrixtest.StateRemoved, jobs.ExitRefused, "install it again"},
		{bitrixtest.StateNoServer, jobs.ExitTemporary, "run again"},
	} {
		bubble(t, string(tt.state), func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 60, AllowRegets: true, Strict: t})
			e := newBubbleJob(t, portal, "patience: 1m")
			e.run(t, jobs.ExitComplete)
			portal.Adjust(func(o *bitrixtest.Options) { o.State = tt.state })
			out := e.run(t, tt.exit)
			if hint := jobs.Hint(out.Err); !strings.Contains(hint, tt.hint) {
				t.Errorf("%v: hint %q does not have %q", out.Err, hint, tt.hint)
			}
			e.wantTable(t, portal, none)
		})
	}
}

// A 403 ACCESS_DENIED of one method is a missing right, not a lapsed plan: the ways for
// users who are not administrators still work.
func TestAccessDeniedOfOneMethod(t *testing.T) {
	bubble(t, "auto", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 60, Strict: t, Faults: []bitrixtest.Fault{
			{Kind: bitrixtest.FaultCommand, Method: "sale.payment.list", Code: "ACCESS_DENIED", Description: "Access denied!", Status: 403},
		}})
		e := newBubbleJob(t, portal, "")
		if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Source != "bindings" {
			t.Errorf("source %s, want bindings", m.Source)
		}
	})
}

// Text around an answer's JSON does not matter.
func TestAnswersWithSomethingAround(t *testing.T) {
	for _, kind := range []bitrixtest.FaultKind{bitrixtest.FaultBOM, bitrixtest.FaultComment, bitrixtest.FaultWarning} {
		bubble(t, string(kind), func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 300, Strict: t, Faults: []bitrixtest.Fault{{Kind: kind}}})
			e := newBubbleJob(t, portal, "")
			out := e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
			if n := out.Summary.Use.Retries; n != 0 {
				t.Errorf("%d retries, want none", n)
			}
		})
	}
}

// If a get of a sampled payment cannot be read, it is a reject, and the run continues.
func TestSampleThatCannotBeRead(t *testing.T) {
	bubble(t, "enrich: list", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true, Strict: t})
		e := newBubbleJob(t, portal, "mode: full\nsource: {enrich: list}")
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "crm.item.payment.get", IDs: []int64{portal.ID(3)}, Result: `{"id":"` + "4" + `","sum":"abc"}`})
		if l := e.run(t, jobs.ExitRejects).Summary.Ledger; l.Rejected != 1 || l.Got != 299 {
			t.Errorf("ledger %+v, want one reject", l)
		}
	})
}
