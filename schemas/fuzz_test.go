package schemas

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// render writes a row in the portal's plainest spelling. It is the inverse of the
// readers, for rows whose Extra has no name of a column.
func render(p *Payment) []byte {
	b := strconv.AppendInt([]byte(`{"id":`), p.ID, 10)
	add := func(name, value string) { b = fmt.Appendf(b, `,%q:%s`, name, value) }
	text := func(name string, v Null[string]) {
		if v.Valid {
			quoted, err := jsontext.AppendQuote(nil, v.V)
			if err != nil {
				panic(err) // the readers accept only valid text
			}
			add(name, string(quoted))
		}
	}
	ref := func(name string, v Null[int64]) {
		if v.Valid {
			add(name, strconv.FormatInt(v.V, 10))
		}
	}
	date := func(name string, v Null[Instant]) {
		if v.Valid {
			add(name, `"`+v.V.String()+`"`)
		}
	}
	text("accountNumber", p.AccountNumber)
	if p.Paid.Valid {
		add("paid", strconv.FormatBool(p.Paid.V))
	}
	date("datePaid", p.DatePaid)
	ref("empPaidId", p.EmpPaidID)
	ref("paySystemId", p.PaySystemID)
	if p.Sum.Valid {
		add("sum", p.Sum.V.String())
	}
	text("currency", p.Currency)
	text("paySystemName", p.PaySystemName)
	ref("orderId", p.OrderID)
	date("dateBill", p.DateBill)
	if p.Extra.Valid {
		b = append(append(b, ','), p.Extra.V[1:len(p.Extra.V)-1]...)
	}
	return append(b, '}')
}

func addPaymentSeeds(f *testing.F) {
	for _, seed := range []string{
		sampleGot,
		`{"id":"1","sum":"0.10000000000000001","paid":1,"datePaid":"2024-05-20T12:32:02.123456789+02:00","orderId":"0"}`,
		`{"id":1,"sum":1e999999999}`,
		`{"id":1,"sum":-1.5E-2,"currency":643,"accountNumber":[],"paySystemName":"\u041d\ud83d\ude00"}`,
		`{"id":1,"a":{"c":1,"b":[{}, "\/"]},"\u0041":-0,"":null}`,
		`{"id":1,"a":1,"a":2}`,
		"{\"id\":1,\"a\":\"\xff\"}",
		`{"id":9223372036854775808}`,
		`[]`, `{}`, `null`, `"`, ``, `{"id":1} x`, `{"id":1,"a":[[[[[[`,
	} {
		f.Add([]byte(seed))
	}
}

// For any input there is no panic, the argument is unchanged, and the result is either
// a *FieldError and the unchanged row, or a row that parses to itself.
func FuzzReadGot(f *testing.F) {
	addPaymentSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := Payment{OrderID: Some(int64(77)), Extra: Some(`{"b":1}`), ExtractedAt: Some(Instant(5))}
		for _, start := range []Payment{{}, before} {
			got, sent := start, slices.Clone(raw)
			err := got.ReadGot(raw)
			if !bytes.Equal(raw, sent) {
				t.Fatalf("ReadGot changed its argument from %q to %q", sent, raw)
			}
			if err != nil {
				checkFieldError(t, "ReadGot", err)
				if got != start {
					t.Fatalf("an error changed the row to %+v", got)
				}
				continue
			}
			again := Payment{ID: got.ID, ExtractedAt: got.ExtractedAt}
			if err := again.ReadGot(render(&got)); err != nil || again != got {
				t.Fatalf("read %q\nthen %s\nand got %+v, %v\nwant    %+v", raw, render(&got), again, err, got)
			}
			if changed := Changed(&got, &again); changed != nil {
				t.Fatalf("equal rows, but changed %v", changed)
			}
		}
	})
}

// As FuzzReadGot. In addition, a listing is the same as itself, and only the given
// fields are stored.
func FuzzReadListed(f *testing.F) {
	addPaymentSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields := []string{"a", "A", "comments"}
		before := Payment{ID: 3, Sum: Some(Decimal(1)), Extra: Some(`{"b":1}`)}
		listed, sent := before, slices.Clone(raw)
		err := listed.ReadListed(raw, fields)
		if !bytes.Equal(raw, sent) {
			t.Fatalf("ReadListed changed its argument from %q to %q", sent, raw)
		}
		if err != nil {
			checkFieldError(t, "ReadListed", err)
			if listed != before {
				t.Fatalf("an error changed the row to %+v", listed)
			}
			return
		}
		var again, got Payment
		if err := again.ReadListed(render(&listed), fields); err != nil || again != listed {
			t.Fatalf("read %q\nthen %s\nand got %+v, %v\nwant    %+v", raw, render(&listed), again, err, listed)
		}
		if err := got.ReadGot(raw); err != nil {
			t.Fatalf("ReadListed takes %q, ReadGot says %v", raw, err)
		}
		if !SameListed(&listed, &got, fields) || !SameListed(&got, &listed, fields) {
			t.Fatalf("read %q\nlisted %+v\ngot    %+v\nand they are not the same", raw, listed, got)
		}
	})
}

func FuzzReadOwner(f *testing.F) {
	for _, seed := range []string{
		`{"orderId":77,"ownerId":5,"ownerTypeId":2}`, `{"orderId":"77","ownerId":"5","ownerTypeId":false}`,
		`{"orderId":77,"ownerId":-5}`, `{"ownerId":5}`, `[]`, `{"orderId":77,"orderId":77}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		order, kind, id, err := ReadOwner(raw)
		if err != nil {
			checkFieldError(t, "ReadOwner", err)
			return
		}
		if order < 1 || kind < 0 || id < 0 {
			t.Fatalf("ReadOwner(%q) = %d, %d, %d", raw, order, kind, id)
		}
		plain := fmt.Appendf(nil, `{"orderId":%d,"ownerTypeId":%d,"ownerId":%d}`, order, kind, id)
		if o, k, i, err := ReadOwner(plain); o != order || k != kind || i != id || err != nil {
			t.Fatalf("ReadOwner(%s) = %d, %d, %d, %v", plain, o, k, i, err)
		}
	})
}

// A number that ParseDecimal accepts is a number in math/big too, and its value is that
// of math/big, rounded half to even. It refuses numbers only because of their size.
func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{
		"0", "-0", "12.3456", "0.10000000000000001", "1e3", "1.5E2", "1e999999999", "-1e-999999999", "0.00005", "0.00015",
		"99999999999999.99995", "9.99995", "007", "+1", ".5", "5.", "1e", "NaN", "0x1p4", "1_000", "", "-",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseDecimal(text)
		if err == nil {
			if back, err := ParseDecimal(got.String()); back != got || err != nil {
				t.Fatalf("ParseDecimal(%q) = %v, read back as %v, %v", text, got, back, err)
			}
		}
		exact, ok := bigDecimal(text)
		if !ok {
			return
		}
		want, fits := roundHalfEven(exact)
		if fits != (err == nil) || fits && got != want {
			t.Fatalf("ParseDecimal(%q) = %v, %v; want %v, fits %t", text, got, err, want, fits)
		}
	})
}

// bigDecimal parses text with math/big, if it has the form of the portal's numbers and
// is small enough for math/big.
func bigDecimal(text string) (*big.Rat, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.TrimPrefix(mantissa, "-")
	if len(text) > 300 || strings.Trim(digits, "0123456789.") != "" ||
		digits == "" || !isDigit(digits[0]) || !isDigit(digits[len(digits)-1]) {
		return nil, false
	}
	if n, err := strconv.Atoi(exponent); exponent != "" && (err != nil || n < -500 || n > 500) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// roundHalfEven returns r in ten-thousandths, and whether DECIMAL(18,4) has it.
func roundHalfEven(r *big.Rat) (Decimal, bool) {
	scaled := new(big.Rat).Mul(r, big.NewRat(10000, 1))
	floor, rest := new(big.Int).DivMod(scaled.Num(), scaled.Denom(), new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(scaled.Denom())
	if half > 0 || half == 0 && floor.Bit(0) == 1 {
		floor.Add(floor, big.NewInt(1))
	}
	if floor.CmpAbs(big.NewInt(maxDecimal)) > 0 {
		return 0, false
	}
	return Decimal(floor.Int64()), true
}

// A time that parseInstant accepts is the same time for time.Parse, and its String
// parses to itself.
func FuzzParseInstant(f *testing.F) {
	for _, seed := range []string{
		"2024-05-20T12:32:02+02:00", "2024-02-29T23:59:59.999999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01",
		"2023-02-29T00:00:00Z", "1969-12-31T23:59:59.9999999Z", "2023-01-01T1:00:00Z", "2023-01-01T00:00:00,5Z", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, rule := parseInstant([]byte(text))
		if rule != "" {
			return
		}
		want, err := time.Parse(time.RFC3339, text)
		if err != nil || InstantOf(want) != got {
			t.Fatalf("parseInstant(%q) = %v; time.Parse gives %v, %v", text, got, want, err)
		}
		if back, rule := parseInstant([]byte(got.String())); back != got || rule != "" {
			t.Fatalf("parseInstant(%q) = %v, read back as %v, %q", text, got, back, rule)
		}
	})
}
