package jobs_test

import (
	"fmt"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// A list of a related table that answers once without some of its rows, or without all,
// is requested again: the table loses no row.
func TestRelatedListWithoutItsRowsIsAskedAgain(t *testing.T) {
	for _, tt := range []struct {
		method, result string
		places         []int
	}{
		{"sale.order.list", `{"orders":[]}`, nil},
		{"sale.order.list", `{"orders":[]}`, []int{1}},
		{"crm.item.list", `{"items":[]}`, nil},
		{"crm.item.list", `{"items":[]}`, []int{1}},
		{"user.get", `[]`, nil},
		{"user.get", `[]`, []int{1}},
		{"sale.paysystem.list", `[]`, nil},
		{"crm.status.list", `[]`, nil},
		{"crm.category.list", `{"categories":[]}`, nil},
	} {
		bubble(t, fmt.Sprint(tt.method, tt.places), func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 17, Payments: 1500, Rights: everyScope, AllowRegets: true, Strict: t})
			faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: tt.method, Places: tt.places, Times: 1, Result: tt.result})
			e := newBubbleJob(t, portal, allRelated)
			e.run(t, jobs.ExitComplete)
			if n := portal.Stats().Faults; n != 1 {
				t.Errorf("%d answers lacked rows, want 1", n)
			}
			e.wantRelated(t, portal)
		})
	}
}
