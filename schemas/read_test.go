package schemas

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sampleGot is the answer in the portal's documentation.
const sampleGot = `{"id":1036,"accountNumber":"3653\/1","paid":"Y","datePaid":"2024-05-20T12:32:02+02:00",` +
	`"empPaidId":1,"paySystemId":6,"sum":0,"currency":"USD","paySystemName":"Cash"}`

// at is the instant of an RFC 3339 time in a test's expectation.
func at(t *testing.T, text string) Null[Instant] {
	t.Helper()
	i, rule := parseInstant([]byte(text))
	if rule != "" {
		t.Fatal(rule)
	}
	return Some(i)
}

func TestReadListed(t *testing.T) {
	raw := `{"id":"1036","accountNumber":"3653\/1","paid":"N","datePaid":"","empPaidId":"0","paySystemId":"6",` +
		`"sum":"1250.5000","currency":"RUB","paySystemName":"\u041d\u0430\u043b\u0438\u0447\u043d\u044b\u0435",` +
		`"orderId":77,"dateBill":"2024-05-19T01:00:00+03:00","companyId":null,"comments":"a \u003c b","psSum":0.10,"marked":"N"}`
	p := Payment{ID: 5, EntityID: Some(int64(9)), ExtractedAt: Some(Instant(1)), Extra: Some(`{"old":1}`)}
	if err := p.ReadListed([]byte(raw), []string{"psSum", "comments", "companyId", "absent", "sum"}); err != nil {
		t.Fatal(err)
	}
	want := Payment{
		ID:            1036,
		AccountNumber: Some("3653/1"),
		Paid:          Some(false),
		PaySystemID:   Some(int64(6)),
		Sum:           Some(Decimal(12505000)),
		Currency:      Some("RUB"),
		PaySystemName: Some("Наличные"),
		OrderID:       Some(int64(77)),
		DateBill:      at(t, "2024-05-18T22:00:00Z"),
		Extra:         Some(`{"comments":"a < b","companyId":null,"psSum":0.10}`),
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("ReadListed(%s) (-want +got):\n%s", raw, diff)
	}
}

func TestReadGot(t *testing.T) {
	listed := Payment{
		ID:            1036,
		AccountNumber: Some("old"),
		Sum:           Some(Decimal(1)),
		OrderID:       Some(int64(77)),
		EntityID:      Some(int64(9)),
		DateBill:      Some(Instant(5)),
		Extra:         Some(`{"b":1,"d":2}`),
	}
	full := Payment{
		ID:            1036,
		AccountNumber: Some("3653/1"),
		Paid:          Some(true),
		DatePaid:      at(t, "2024-05-20T10:32:02Z"),
		EmpPaidID:     Some(int64(1)),
		PaySystemID:   Some(int64(6)),
		Sum:           Some(Decimal(0)),
		Currency:      Some("USD"),
		PaySystemName: Some("Cash"),
		OrderID:       Some(int64(77)),
		EntityID:      Some(int64(9)),
		DateBill:      Some(Instant(5)),
		Extra:         Some(`{"b":1,"d":2}`),
	}
	tests := []struct {
		name string
		on   Payment
		raw  string
		want func(p *Payment) // the differences from on
	}{
		{"documented answer over a listed row", listed, sampleGot, func(p *Payment) { *p = full }},
		{"documented answer over nothing", Payment{}, sampleGot, func(p *Payment) {
			*p = full
			p.OrderID, p.EntityID, p.DateBill, p.Extra = Null[int64]{}, Null[int64]{}, Null[Instant]{}, Null[string]{}
		}},
		{"null replaces what was listed", listed, `{"id":1036,"accountNumber":null,"sum":""}`, func(p *Payment) {
			p.AccountNumber, p.Sum = Null[string]{}, Null[Decimal]{}
		}},
		{"absent fields stay as listed", listed, `{"id":1036}`, func(*Payment) {}},
		{"white space anywhere", listed, " {\n\t\"id\" : 1036 , \"sum\" : 2 } \r\n", func(p *Payment) { p.Sum = Some(Decimal(20000)) }},
		{"escapes in a name", listed, `{"\u0069d":1036}`, func(*Payment) {}},
		{"a field that has a column, though get is not known to send it", listed, `{"id":1036,"orderId":"78"}`, func(p *Payment) {
			p.OrderID = Some(int64(78))
		}},
		{"unknown fields are merged", listed, `{"id":1036,"e":[1, 2],"a":"x","c":{"z":1.0,"y":"\u0041"}}`, func(p *Payment) {
			p.Extra = Some(`{"a":"x","b":1,"c":{"y":"A","z":1.0},"d":2,"e":[1,2]}`)
		}},
		{"the listing's value of an unknown field stays", listed, `{"id":1036,"b":"1","a":0}`, func(p *Payment) {
			p.Extra = Some(`{"a":0,"b":1,"d":2}`)
		}},
		{"names compare without their escapes", listed, `{"id":1036,"\u0062":3}`, func(*Payment) {}},
		{"large numbers in unknown fields keep all digits", Payment{}, `{"id":1036,"n":12345678901234567890.10}`, func(p *Payment) {
			*p = Payment{ID: 1036, Extra: Some(`{"n":12345678901234567890.10}`)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := tt.on, tt.on
			tt.want(&want)
			raw := []byte(tt.raw)
			if err := got.ReadGot(raw); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ReadGot(%s) (-want +got):\n%s", tt.raw, diff)
			}
			if string(raw) != tt.raw {
				t.Errorf("ReadGot changed its argument to %s", raw)
			}
		})
	}
}

func TestReadGotOfAnotherPayment(t *testing.T) {
	p := Payment{ID: 1036}
	err := p.ReadGot([]byte(`{"id":1037}`))
	const want = "id: must be 1036, the payment that was asked for"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if want := (Payment{ID: 1036}); p != want {
		t.Errorf("row %+v, want %+v", p, want)
	}
}

// Goroutines share readers one after another: none may see what another one has left.
func TestReadConcurrently(t *testing.T) {
	var group sync.WaitGroup
	for worker := range int64(4) {
		group.Go(func() {
			for i := range int64(300) {
				id := worker*1000 + i + 1
				name := fmt.Sprintf("Касса %d", id%40)
				raw := fmt.Appendf(nil, `{"id":%d,"paySystemName":%q,"x%d":"\u0041%d"}`, id, name, worker, i)
				want := Payment{ID: id, PaySystemName: Some(name), Extra: Some(fmt.Sprintf(`{"x%d":"A%d"}`, worker, i))}
				var got Payment
				err := got.ReadGot(raw)
				clear(raw) // the row must not refer to it
				if err != nil || got != want {
					t.Errorf("got %+v, %v; want %+v", got, err, want)
				}
				if err := got.ReadGot([]byte(`{"id":`)); err == nil {
					t.Error("no error for broken JSON")
				}
			}
		})
	}
	group.Wait()
}

// A value larger than the memory that a reader keeps is read like any other.
func TestReadLargeValues(t *testing.T) {
	text := strings.Repeat(`\u044f`, 50_000)
	want := Payment{
		ID:            7,
		AccountNumber: Some(strings.Repeat("я", 50_000)),
		Extra:         Some(`{"a":"` + strings.Repeat("я", 50_000) + `"}`),
	}
	for range 2 {
		var got Payment
		if err := got.ReadGot([]byte(`{"id":7,"accountNumber":"` + text + `","a":"` + text + `"}`)); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("read %d bytes of account number and %d of extra", len(got.AccountNumber.V), len(got.Extra.V))
		}
	}
}

func TestListFields(t *testing.T) {
	got := ListFields([]string{"companyId", "sum", "comments", "companyId"})
	want := append(ListFields(nil), "companyId", "comments")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ListFields (-want +got):\n%s", diff)
	}
	ListFields(nil)[0] = "changed"
	if got := ListFields(nil)[0]; got != "id" {
		t.Errorf("a caller's change is seen by the next: first field %q", got)
	}
}

func TestReadOwner(t *testing.T) {
	tests := []struct {
		name  string
		raw   string
		want  [3]int64
		field string
		rule  string
	}{
		{name: "numbers", raw: `{"orderId":77,"ownerId":5,"ownerTypeId":2}`, want: [3]int64{77, 2, 5}},
		{name: "strings", raw: `{"ownerTypeId":"31","ownerId":"5","orderId":"77"}`, want: [3]int64{77, 31, 5}},
		{name: "other fields", raw: `{"orderId":77,"ownerId":5,"ownerTypeId":2,"id":"x","a":[1]}`, want: [3]int64{77, 2, 5}},
		{name: "owner null", raw: `{"orderId":77,"ownerId":null,"ownerTypeId":false}`, want: [3]int64{77, 0, 0}},
		{name: "owner 0", raw: `{"orderId":77,"ownerId":"0","ownerTypeId":""}`, want: [3]int64{77, 0, 0}},
		{name: "owner absent", raw: `{"orderId":77}`, want: [3]int64{77, 0, 0}},
		{name: "owner negative", raw: `{"orderId":77,"ownerId":-5}`, field: "ownerId", rule: ruleID},
		{name: "owner type no number", raw: `{"orderId":77,"ownerTypeId":"deal"}`, field: "ownerTypeId", rule: ruleWhole},
		{name: "order 0", raw: `{"orderId":0,"ownerId":5,"ownerTypeId":2}`, field: "orderId", rule: ruleID},
		{name: "order absent", raw: `{"ownerId":5,"ownerTypeId":2}`, field: "orderId", rule: ruleThere},
		{name: "order twice", raw: `{"orderId":77,"orderId":78}`, field: "orderId", rule: "must not be there twice"},
		{name: "PHP's empty map", raw: `[]`, field: "", rule: "must be an object"},
		{name: "cut short", raw: `{"orderId":77`, field: "", rule: "must be valid JSON: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			order, kind, id, err := ReadOwner([]byte(tt.raw))
			if got := [3]int64{order, kind, id}; got != tt.want {
				t.Errorf("ReadOwner(%s) = %v, want %v", tt.raw, got, tt.want)
			}
			if tt.rule == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkFieldError(t, "ReadOwner", err)
			if e, ok := errors.AsType[*FieldError](err); ok && (e.Field != tt.field || !strings.HasPrefix(e.Rule, tt.rule)) {
				t.Errorf("ReadOwner(%s): %#v; want field %q, rule %q", tt.raw, e, tt.field, tt.rule)
			}
		})
	}
}
