package bitrixtest

import (
	"encoding/json"
	"testing"
)

// A refund does not change the sum and the time of payment. It sets paid to N, and
// isReturn to N, Y or P. Paying again ends it.
func TestReturns(t *testing.T) {
	p := New(Options{Seed: 5, Payments: 2000, Returns: 0.1})
	counts := map[string]int{}
	for payment := range p.All() {
		counts[payment.IsReturn]++
		if payment.IsReturn != "N" && (payment.Paid || payment.DatePaid.IsZero()) {
			t.Errorf("payment %d was returned, and is paid: %t, at %v", payment.ID, payment.Paid, payment.DatePaid)
		}
	}
	if counts["Y"] < 50 || counts["P"] < 50 || counts["N"] < 1700 {
		t.Errorf("returns of 2000 payments, a tenth of those paid: %v", counts)
	}
	id := int64(0)
	for payment := range p.All() {
		if payment.Paid {
			id = payment.ID
			break
		}
	}
	before, _ := p.Truth(id)
	if !p.Return(id, true) || p.Return(id, false) {
		t.Error("a paid payment is returned once")
	}
	var listed struct{ IsReturn, Paid string }
	if err := json.Unmarshal(p.Listed(id, "isReturn", "paid"), &listed); err != nil {
		t.Fatal(err)
	}
	after, _ := p.Truth(id)
	if listed.IsReturn != "P" || listed.Paid != "N" || after.Sum != before.Sum || !after.DatePaid.Equal(before.DatePaid) {
		t.Errorf("after a return: listed %+v, before %+v, now %+v", listed, before, after)
	}
	p.Pay(id)
	if again, _ := p.Truth(id); again.IsReturn != "N" || !again.Paid {
		t.Errorf("paid again: %+v", again)
	}
}
