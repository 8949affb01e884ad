package schemas

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// touch sets the i-th field of row to another value. Tests that must be true for every
// column use it to iterate over the struct, so that they omit none.
func touch(row *Payment, i int) {
	switch f := reflect.ValueOf(row).Elem().Field(i).Addr().Interface().(type) {
	case *int64:
		*f++
	case *Null[int64]:
		*f = Some(f.V + 1)
	case *Null[string]:
		*f = Some(f.V + "x")
	case *Null[bool]:
		*f = Some(!f.V)
	case *Null[Instant]:
		*f = Some(f.V + 1)
	case *Null[Decimal]:
		*f = Some(f.V + 1)
	default:
		panic(fmt.Sprintf("no way to touch a %T", f))
	}
}

// fields is the number of columns of a payment.
var fields = reflect.TypeFor[Payment]().NumField()

func TestChangedNamesEveryColumn(t *testing.T) {
	schema := Payments()
	if schema.NumFields() != fields {
		t.Fatalf("schema has %d columns, Payment has %d fields", schema.NumFields(), fields)
	}
	var all []string
	for i := range fields {
		name := schema.Field(i).Name
		var want []string
		if name != "extracted_at" {
			want = []string{name}
			all = append(all, name)
		}
		var old, new Payment
		touch(&new, i)
		if diff := cmp.Diff(want, Changed(&old, &new)); diff != "" {
			t.Errorf("Changed, where only %s differs (-want +got):\n%s", name, diff)
		}
	}

	var old, new Payment
	for i := range fields {
		touch(&new, i)
	}
	if diff := cmp.Diff(all, Changed(&old, &new)); diff != "" {
		t.Errorf("Changed, where all differs (-want +got):\n%s", diff)
	}
	if got := Changed(&new, &new); got != nil {
		t.Errorf("Changed of equal rows = %v", got)
	}
}

func TestChangedFromNull(t *testing.T) {
	old := Payment{Sum: Null[Decimal]{}, Paid: Null[bool]{}}
	new := Payment{Sum: Some(Decimal(0)), Paid: Some(false)}
	if diff := cmp.Diff([]string{"paid", "sum"}, Changed(&old, &new)); diff != "" {
		t.Errorf("Changed from null to zero (-want +got):\n%s", diff)
	}
}

func TestSameListedSeesEveryColumnOfAListing(t *testing.T) {
	unseen := map[string]bool{"entity_type_id": true, "entity_id": true, "extra": true, "extracted_at": true}
	for i := range fields {
		name := Payments().Field(i).Name
		var listed, last Payment
		touch(&last, i)
		if got := SameListed(&listed, &last, nil); got != unseen[name] {
			t.Errorf("SameListed, where only %s differs = %t, want %t", name, got, unseen[name])
		}
	}
}

func TestSameListedExtra(t *testing.T) {
	null := Null[string]{}
	tests := []struct {
		name         string
		listed, last Null[string]
		fields       []string
		want         bool
	}{
		{"both null", null, null, []string{"a"}, true},
		{"equal", Some(`{"a":1}`), Some(`{"a":1}`), []string{"a"}, true},
		{"another value", Some(`{"a":1}`), Some(`{"a":2}`), []string{"a"}, false},
		{"another value of two", Some(`{"a":1,"b":1}`), Some(`{"a":1,"b":2}`), []string{"b", "a"}, false},
		{"new field", Some(`{"a":1}`), null, []string{"a"}, false},
		{"field gone", null, Some(`{"a":1}`), []string{"a"}, false},
		{"null is not absent", Some(`{"a":null}`), null, []string{"a"}, false},
		{"the get gave more", Some(`{"a":1}`), Some(`{"0":5,"a":1,"b":{"a":2}}`), []string{"a"}, true},
		{"the get gave more, the listing nothing", null, Some(`{"b":2}`), []string{"a"}, true},
		{"nothing asked for", null, Some(`{"b":2}`), nil, true},
		{"name with escapes", Some(`{"a\"b":1}`), Some(`{"a\"b":2}`), []string{`a"b`}, false},
		{"last is no JSON", Some(`{"a":1}`), Some(`{"a":`), []string{"a"}, false},
		{"last is no object", null, Some(`[]`), []string{"a"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			listed, last := Payment{Extra: tt.listed}, Payment{Extra: tt.last}
			if got := SameListed(&listed, &last, tt.fields); got != tt.want {
				t.Errorf("SameListed(%v, %v, %v) = %t, want %t", tt.listed, tt.last, tt.fields, got, tt.want)
			}
		})
	}
}

// A payment that is fetched as it was listed, with fields that the get spells
// differently or has in addition, must not look changed in the next listing: it would
// be fetched every night.
func TestSameListedAfterGet(t *testing.T) {
	raw := []byte(`{"id":1,"sum":"1.5","orderId":3,"companyId":"5","comments":null}`)
	fields := []string{"companyId", "comments"}
	var listed, last Payment
	for _, p := range []*Payment{&listed, &last} {
		if err := p.ReadListed(raw, fields); err != nil {
			t.Fatal(err)
		}
	}
	if err := last.ReadGot([]byte(`{"id":1,"sum":1.50,"companyId":5,"marked":"N"}`)); err != nil {
		t.Fatal(err)
	}
	last.EntityID = Some(int64(8))
	if want := Some(`{"comments":null,"companyId":"5","marked":"N"}`); last.Extra != want {
		t.Errorf("extra %v, want %v", last.Extra, want)
	}
	if !SameListed(&listed, &last, fields) {
		t.Errorf("changed, though only got:\nlisted %+v\nlast   %+v", listed, last)
	}
}

// A mark represents the columns that a get has too, and nothing else.
func TestMark(t *testing.T) {
	listed := Payment{ID: 7, PaySystemName: Some("Card (2)"), Sum: Some(Decimal(15000)), DateBill: Some(Instant(5)), OrderID: Some(int64(3))}
	got := listed
	if m := Mark(&listed, &got); m != 0 {
		t.Errorf("mark %d of a row that is as it was listed", m)
	}
	got.PaySystemName = Some("Card")
	mark := Mark(&listed, &got)
	// Stored marks depend on this value.
	if mark != 0x8bb4192a630da98a {
		t.Errorf("mark %#x: another one than stored marks have", mark)
	}
	if SameListed(&listed, &got, nil) || !SameMarked(&listed, &got, nil, mark) {
		t.Error("the listing shows what it showed, and the row is not the same")
	}
	for i := range fields {
		name := Payments().Field(i).Name
		now := listed
		touch(&now, i)
		unseen := map[string]bool{"entity_type_id": true, "entity_id": true, "extra": true, "extracted_at": true}
		if got := SameMarked(&now, &got, nil, mark); got != unseen[name] {
			t.Errorf("SameMarked, where the listing shows another %s = %t, want %t", name, got, unseen[name])
		}
	}
	// Null, an empty text and a text that looks like null differ.
	seen := map[uint64]bool{}
	for _, name := range []Null[string]{{}, Some(""), Some("="), Some("0")} {
		for _, number := range []Null[string]{{}, Some(""), Some("=")} {
			p := listed
			p.PaySystemName, p.AccountNumber = name, number
			seen[markOf(&p)] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("12 rows have %d marks", len(seen))
	}
}
