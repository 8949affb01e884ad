package schemas

import "testing"

// A row that differs from the last snapshot's only in values that a listing alone has
// is filled from the listing. No other row is.
func TestFill(t *testing.T) {
	read := func(raw string, fields ...string) Payment {
		t.Helper()
		var p Payment
		if err := p.ReadListed([]byte(raw), fields); err != nil {
			t.Fatal(err)
		}
		return p
	}
	const base = `{"id":1,"paid":"Y","sum":"1.5","orderId":3,"dateBill":"2024-05-01T00:00:00Z","comments":"a","companyId":5}`
	last := read(base, "companyId")
	last.EntityTypeID, last.EntityID = Some(int64(2)), Some(int64(9))
	last.ExtractedAt = Some(Instant(1))
	later := func(raw string, fields ...string) *Payment {
		p := read(raw, fields...)
		p.ExtractedAt = Some(Instant(2))
		return &p
	}
	for _, tt := range []struct {
		name   string
		listed *Payment
		fields []string
		extra  string // "" if not filled
		bill   bool
	}{
		{"the same", later(base, "companyId"), []string{"companyId"}, `{"companyId":5}`, true},
		{"no date of bill", later(`{"id":1,"paid":"Y","sum":"1.5","orderId":3,"companyId":5}`, "companyId"), []string{"companyId"}, `{"companyId":5}`, false},
		{"another field", later(base, "companyId", "comments"), []string{"companyId", "comments"}, `{"comments":"a","companyId":5}`, true},
		{"a field left out", later(base), nil, `{"companyId":5}`, true},
		{"another sum", later(`{"id":1,"paid":"Y","sum":"1.6","orderId":3}`), nil, "", true},
		{"another order", later(`{"id":1,"paid":"Y","sum":"1.5","orderId":4}`), nil, "", true},
	} {
		row, ok := Fill(tt.listed, &last, tt.fields, 0)
		if ok != (tt.extra != "") {
			t.Errorf("%s: filled %t: %+v", tt.name, ok, row)
			continue
		}
		if ok && (row.Extra != Some(tt.extra) || row.DateBill.Valid != tt.bill || row.EntityID != Some(int64(9)) || row.ExtractedAt != Some(Instant(2))) {
			t.Errorf("%s: filled with %+v", tt.name, row)
		}
	}
}

// A field that got its column after job files named it also stays in extra.
func TestListedFieldWithAColumnStaysInExtra(t *testing.T) {
	var p Payment
	if err := p.ReadListed([]byte(`{"id":1,"responsibleId":"7","sum":1}`), []string{"responsibleId", "sum"}); err != nil {
		t.Fatal(err)
	}
	if p.Extra != Some(`{"responsibleId":"7"}`) {
		t.Errorf("%+v", p)
	}
	if !HadColumn("dateBill") || HadColumn("companyId") || HadColumn("responsibleId") {
		t.Error("dateBill had a column from the first version on; companyId has none, responsibleId got one later")
	}
}

func TestCodes(t *testing.T) {
	words := map[string]string{"N": "", "Y": "inner", "P": "pay_system"}
	for raw, want := range map[string]string{
		`"N"`: "", `"n"`: "", `""`: "", `null`: "", `false`: "", `0`: "", `"0"`: "", `[]`: "",
		`"Y"`: "inner", `"y"`: "inner", `true`: "inner", `1`: "inner", `"1"`: "inner", `"P"`: "pay_system", `"p"`: "pay_system",
	} {
		if got, rule := valueOf(t, raw).code(words); rule != "" || got.V != want || got.Valid != (want != "") {
			t.Errorf("code %s = %+v, rule %q, want %q", raw, got, rule, want)
		}
	}
	for _, raw := range []string{`"X"`, `2`, `["Y"]`, `{"Y":1}`} {
		if got, rule := valueOf(t, raw).code(words); rule != "must be one of N, P, Y" {
			t.Errorf("code %s = %+v, rule %q", raw, got, rule)
		}
	}
}

func valueOf(t *testing.T, raw string) *value {
	t.Helper()
	r := newReader(otherObject)
	if err := r.begin([]byte(`{"x":` + raw + `}`)); err != nil {
		t.Fatal(err)
	}
	if more, err := r.next(); err != nil || !more {
		t.Fatal(more, err)
	}
	v := r.value
	return &v
}
