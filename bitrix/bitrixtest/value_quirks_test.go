package bitrixtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// ask calls a method of a portal, with names and values in pairs, and decodes its
// result.
func ask(t *testing.T, p *Portal, result any, method string, pairs ...string) {
	t.Helper()
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Add(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Webhook("https://acme.example")+method+"?"+query.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "test/1")
	resp, err := (&http.Client{Transport: p.RoundTripper()}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&struct {
		Result any `json:"result"`
	}{result}); err != nil {
		t.Fatalf("%s %v: %v", method, pairs, err)
	}
}

func config8(q ValueQuirks) *config {
	return newConfig(Options{Values: q})
}

// How each date format changes 7,515 instants of three years, compared with the shares
// in PHP 8.2.
func TestDateFormats(t *testing.T) {
	for _, tt := range []struct {
		format            DateFormat
		right, null, rest float64 // percent
	}{
		{DatesRight, 100, 0, 0},
		{DatesSwapped, 3.3, 60.6, 36.1},
		{DatesShort, 21.2, 78.8, 0},
		{DatesNull, 0, 100, 0},
	} {
		c := config8(ValueQuirks{Zone: "Europe/Moscow", DateFormat: tt.format})
		var right, null, n float64
		for at := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2026; at = at.Add(3*time.Hour + 29*time.Minute + 53*time.Second) {
			n++
			switch shown, ok := c.shown(at.Unix(), at.Unix()); {
			case !ok:
				null++
			case shown == at.Unix():
				right++
			}
		}
		for name, pair := range map[string][2]float64{
			"right": {right, tt.right}, "null": {null, tt.null}, "wrong": {n - right - null, tt.rest},
		} {
			if got := 100 * pair[0] / n; got < pair[1]-0.5 || got > pair[1]+0.5 {
				t.Errorf("%s: %s %.1f %%, PHP gave %.1f %%", tt.format, name, got, pair[1])
			}
		}
	}
}

// The shift of a server with summer time is constant except in an hour or two a year,
// whose shift depends on the season of the listing.
func TestShiftAroundSummerTime(t *testing.T) {
	c := config8(ValueQuirks{Zone: "Europe/Berlin", ListShift: 2 * time.Hour})
	july, december := time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC).Unix()
	shifts := map[string]int{}
	for at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2025; at = at.Add(10 * time.Minute) {
		inJuly, _ := c.shown(at.Unix(), july)
		inDecember, _ := c.shown(at.Unix(), december)
		shifts[fmt.Sprint(inJuly-at.Unix(), inDecember-at.Unix())]++
	}
	// The hour that occurs twice, as a list shows it: in July its second half is read
	// as its first half, in December its first half as its second.
	if len(shifts) != 3 || shifts["7200 10800"] != 6 || shifts["3600 7200"] != 6 {
		t.Errorf("shifts in July and in December: %v", shifts)
	}
}

func TestValueQuirksOfLists(t *testing.T) {
	p := New(Options{Payments: 100, Gap: -1, Values: ValueQuirks{
		Zone: "Europe/Berlin", ListShift: -90 * time.Minute, ListNames: true, CastLists: true, ProfileOffset: true,
	}})
	var one struct{ DateBill, DatePaid, PaySystemName string }
	want, _ := p.Truth(40)
	var listed struct {
		Payments []struct{ DateBill, DatePaid, PaySystemName string }
	}
	ask(t, p, &one, "crm.item.payment.get", "id", "40")
	ask(t, p, &listed, "sale.payment.list", "filter[=id]", "40")
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	row := listed.Payments[0]
	if !at(one.DatePaid).Equal(want.DatePaid) || !at(row.DatePaid).Equal(want.DatePaid.Add(-90*time.Minute)) {
		t.Errorf("date_paid: got %s, listed %s, true %v", one.DatePaid, row.DatePaid, want.DatePaid)
	}
	if row.PaySystemName == one.PaySystemName {
		t.Errorf("the list names the payment system %q, as get does", row.PaySystemName)
	}
	var page struct{ Payments []struct{ ID int64 } }
	ask(t, p, &page, "sale.payment.list", "filter[@id][]", "3", "filter[@id][]", "7", "start", "-1")
	if len(page.Payments) != 1 || page.Payments[0].ID != 1 {
		t.Errorf("payments 3 and 7, read as 1: %+v", page.Payments)
	}
	var profile struct {
		Offset int64 `json:"TIME_ZONE_OFFSET"`
	}
	ask(t, p, &profile, "profile")
	if _, offset := time.Now().In(p.config().zone).Zone(); profile.Offset != int64(offset)-5400 {
		t.Errorf("profile has the offset %d", profile.Offset)
	}
}

func TestFilterDates(t *testing.T) {
	p := New(Options{Payments: 100, Gap: -1})
	want, _ := p.Truth(50)
	count := func(q ValueQuirks, shift time.Duration) int {
		p.Adjust(func(o *Options) { o.Values = q })
		// In the portal's own offset, in which it prints them.
		at := want.DateBill.Add(shift).In(time.FixedZone("", 3*3600))
		var page struct{ Payments []json.RawMessage }
		ask(t, p, &page, "sale.payment.list", "filter[=id]", "50", "filter[>=dateBill]", at.Add(-time.Second).Format(time.RFC3339),
			"filter[<dateBill]", at.Add(time.Second).Format(time.RFC3339))
		return len(page.Payments)
	}
	wall := ValueQuirks{FilterDates: FilterDatesWall, FilterOffset: -5 * time.Hour}
	for _, tt := range []struct {
		name                 string
		q                    ValueQuirks
		exact, later, before int
	}{
		{"right", ValueQuirks{}, 1, 0, 0},
		{"wall clock of -05:00", wall, 0, 0, 1},
		{"dropped", ValueQuirks{FilterDates: FilterDatesDropped}, 1, 1, 1},
		{"nothing", ValueQuirks{FilterDates: FilterDatesNothing}, 0, 0, 0},
	} {
		a, b, c := count(tt.q, 0), count(tt.q, 8*time.Hour), count(tt.q, -8*time.Hour)
		if a != tt.exact || b != tt.later || c != tt.before {
			t.Errorf("%s: %d of the exact range, %d of a later, %d of an earlier one", tt.name, a, b, c)
		}
	}
}

func TestOrdersAreBoundAnewAndDeleted(t *testing.T) {
	p := New(Options{Payments: 400})
	payment, _ := p.Truth(p.ID(100))
	other, _ := p.Truth(p.ID(300))
	if payment.OwnerID == 0 || other.OwnerID == 0 || other.OwnerID == payment.OwnerID {
		t.Fatalf("the seed has changed: %+v, %+v", payment, other)
	}
	bindings := func() (list struct {
		OrderEntity []struct{ OwnerID, OwnerTypeID int64 }
	}) {
		ask(t, p, &list, "crm.orderentity.list", "filter[=orderId]", fmt.Sprint(payment.OrderID))
		return list
	}
	payments := func(typeID, id int64) (n int) {
		var list []struct{ ID int64 }
		ask(t, p, &list, "crm.item.payment.list", "entityTypeId", fmt.Sprint(typeID), "entityId", fmt.Sprint(id))
		for _, item := range list {
			if item.ID == payment.ID {
				n++
			}
		}
		return n
	}
	if !p.Rebind(payment.OrderID, other.OwnerTypeID, other.OwnerID) || p.Rebind(payment.OrderID, 2, 1<<40) {
		t.Error("Rebind")
	}
	if list := bindings(); len(list.OrderEntity) != 1 || list.OrderEntity[0].OwnerID != other.OwnerID {
		t.Errorf("bindings %+v", list)
	}
	if payments(payment.OwnerTypeID, payment.OwnerID) != 0 || payments(other.OwnerTypeID, other.OwnerID) != 1 {
		t.Error("the payment did not go with its order")
	}
	if now, _ := p.Truth(payment.ID); now.OwnerID != other.OwnerID {
		t.Errorf("truth %+v", now)
	}
	if !p.DeleteOrder(payment.OrderID) || p.DeleteOrder(payment.OrderID) {
		t.Error("DeleteOrder")
	}
	if _, there := p.Truth(payment.ID); there || len(bindings().OrderEntity) != 0 || payments(other.OwnerTypeID, other.OwnerID) != 0 {
		t.Error("the payment outlived its order")
	}
}
