package bitrixtest

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// The fields of sale.payment.list, in its order. crm.item.payment.get has another
// order.
const (
	saleAccountNumber = iota
	saleComments
	saleCompanyID
	saleCurrency
	saleDateBill
	saleDateMarked
	saleDatePaid
	saleDatePayBefore
	saleDateResponsible
	saleEmpMarked
	saleEmpPaid
	saleEmpResponsible
	saleEmpReturn
	saleExternal
	saleID
	saleID1C
	saleIsReturn
	saleMarked
	saleOrderID
	salePaid
	saleReturnComment
	saleReturnDate
	saleReturnNum
	saleSystemID
	saleSystemIsCash
	saleSystemName
	saleSystemXML
	saleVoucherDate
	saleVoucherNum
	salePriceCod
	salePsCurrency
	salePsInvoice
	salePsResponseDate
	salePsStatus
	salePsStatusCode
	salePsStatusDescription
	salePsStatusMessage
	salePsSum
	saleReasonMarked
	saleResponsible
	saleSum
	saleUpdated1C
	saleVersion1C
	saleXML
	saleFieldCount
)

var saleFields = [saleFieldCount]string{
	"accountNumber", "comments", "companyId", "currency", "dateBill", "dateMarked", "datePaid", "datePayBefore",
	"dateResponsibleId", "empMarkedId", "empPaidId", "empResponsibleId", "empReturnId", "externalPayment", "id", "id1c",
	"isReturn", "marked", "orderId", "paid", "payReturnComment", "payReturnDate", "payReturnNum", "paySystemId",
	"paySystemIsCash", "paySystemName", "paySystemXmlId", "payVoucherDate", "payVoucherNum", "priceCod", "psCurrency",
	"psInvoiceId", "psResponseDate", "psStatus", "psStatusCode", "psStatusDescription", "psStatusMessage", "psSum",
	"reasonMarked", "responsibleId", "sum", "updated1c", "version1c", "xmlId",
}

// nineFields are the fields of crm.item.payment.get, in its order.
var nineFields = [...]int{
	saleID, saleAccountNumber, salePaid, saleDatePaid, saleEmpPaid, saleSystemID, saleSum, saleCurrency, saleSystemName,
}

// selection is a set of fields.
type selection uint64

const everything selection = 1<<saleFieldCount - 1

// selected parses a select: the fields to return. None, or *, means all.
func selected(v *value, unknown func(name string)) selection {
	var s selection
	for i := range v.items {
		name := v.items[i].value.text
		if name == "*" {
			return everything
		}
		n := slices.IndexFunc(saleFields[:], func(f string) bool { return strings.EqualFold(f, name) })
		if n < 0 {
			unknown(name)
			continue
		}
		s |= 1 << n
	}
	if s == 0 {
		return everything
	}
	return s
}

// writer writes payments into JSON.
type writer struct {
	pen
	x      *exchange
	l      *live
	buffer []byte
}

// The methods, each with its own spelling of values.
const (
	spelledByGet = iota
	spelledByList
)

func (x *exchange) writer(b []byte) writer {
	return writer{
		pen: pen{b: b, odd: x.c.Odd, dice: x.c.spelling, c: x.c, now: x.now.Unix()},
		x:   x,
		l:   x.p.data,
	}
}

// nine writes a payment as crm.item.payment.get does.
func (w *writer) nine(r *row) {
	w.begin(r, spelledByGet)
	for _, f := range nineFields {
		w.field(r, f)
	}
	if w.c.Unknown {
		w.unknown(r)
	}
	w.b = append(w.b, '}')
}

// listed writes the selected fields of a payment as sale.payment.list does.
func (w *writer) listed(r *row, s selection) {
	w.begin(r, spelledByList)
	for left := uint64(s); left != 0; left &= left - 1 {
		w.field(r, bits.TrailingZeros64(left))
	}
	if w.c.Unknown && s == everything {
		w.unknown(r)
	}
	w.b = append(w.b, '}')
}

func (w *writer) begin(r *row, method uint64) {
	w.about = uint64(r.id)<<1 | method
	w.lists = method == spelledByList
	w.b = append(w.b, '{')
}

// unknown adds undocumented fields.
func (w *writer) unknown(r *row) {
	w.fixed("b24Extra", appendNumberText("v", r.id))
	w.fixed("tags", `["fake",{"deep":[1,2.5,null]}]`)
}

func appendNumberText(prefix string, n int64) string {
	return string(append(appendNumber(append([]byte{'"'}, prefix...), n), '"'))
}

// poisons are values that cannot be read as the type of their field.
var poisons = [...]struct {
	field int
	json  string
}{
	{saleSum, `"abc"`}, {saleSum, `"1 000,00 USD"`}, {saleDatePaid, `"32.13.2024 25:61"`}, {saleEmpPaid, `"x7"`}, {salePaid, `"maybe"`},
}

// poisoned returns the poison of a payment, if it has one.
func (c *config) poisoned(id int64) (field int, json string, ok bool) {
	if c.Poison == 0 || !c.poison.hit(uint64(id), c.Poison) {
		return 0, "", false
	}
	p := poisons[c.poison.roll(uint64(id)^1<<63)%uint64(len(poisons))]
	return p.field, p.json, true
}

// field writes one field.
func (w *writer) field(r *row, f int) {
	name := saleFields[f]
	if w.c.Poison > 0 {
		if field, json, ok := w.c.poisoned(r.id); ok && field == f {
			w.fixed(name, json)
			return
		}
	}
	switch f {
	case saleID:
		w.id(name, r.id)
	case saleAccountNumber:
		w.buffer = w.l.appendAccount(w.buffer[:0], r)
		w.account(name, w.buffer)
	case salePaid:
		w.flag(name, r.paid)
	case saleDatePaid:
		w.date(name, r.datePaid)
	case saleEmpPaid:
		w.optional(name, r.emp)
	case saleSystemID:
		w.id(name, paySystems[r.system].id)
	case saleSum:
		w.money(name, r.sum)
	case saleCurrency:
		w.word(name, currencies[r.currency], `"`+currencies[r.currency]+`"`)
	case saleSystemName:
		system := &paySystems[r.system]
		w.x.garbled = w.x.garbled || slices.Contains(w.c.Server.BadTexts, r.id)
		if w.lists && w.c.Values.ListNames {
			now := listedName(system.name)
			w.word(name, now, string(appendString(nil, now)))
			return
		}
		w.word(name, system.name, system.json)
	case saleOrderID:
		w.id(name, r.order)
	case saleDateBill, saleDateResponsible:
		w.date(name, r.bill)
	case saleEmpResponsible, saleResponsible:
		w.optional(name, r.responsible())
	case saleIsReturn:
		if r.back == returnedThroughSystem {
			w.fixed(name, `"P"`)
			return
		}
		w.flag(name, r.back == returnedInner)
	case saleExternal, saleMarked, saleUpdated1C:
		w.flag(name, false)
	case saleSystemIsCash:
		w.flag(name, paySystems[r.system].cash)
	case saleCompanyID, saleEmpMarked, saleEmpReturn, salePsInvoice:
		w.optional(name, 0)
	case saleDatePayBefore:
		if w.l.shop {
			w.date(name, r.bill+14*86400)
			return
		}
		w.date(name, 0)
	case saleDateMarked, saleReturnDate, saleVoucherDate, salePsResponseDate:
		w.date(name, 0)
	case salePriceCod:
		w.fixed(name, `"0.000000"`)
	case salePsSum:
		w.fixed(name, `null`)
	case saleComments:
		if w.c.Values.Comments > 0 {
			w.key(name)
			w.b = appendComments(w.b, uint64(r.id), w.c.Values.Comments)
			return
		}
		w.fixed(name, [...]string{`""`, `"\u0437\u0432\u043e\u043d\u0438\u0442\u044c \u0434\u043e 18:00"`}[r.id%16/15])
	case saleXML:
		w.fixed(name, appendNumberText("bx_", int64(mix(uint64(r.id))>>20)))
	case saleSystemXML:
		w.fixed(name, appendNumberText("bx_", 100+paySystems[r.system].id))
	default:
		w.fixed(name, `""`)
	}
}

// commentWords are what long comments are made of.
var commentWords = [...]string{
	"payment", "call", "before", "18:00", "the", "customer", "asks", "for", "invoice", "delivery", "with", "number",
	"please", "on", "Monday", "by", "card", "again", "address", "is", "new", "a", "second", "part", "refund", "of",
}

// appendComments appends a text of n bytes as JSON, which the payment decides.
func appendComments(b []byte, id uint64, n int) []byte {
	b = append(b, '"')
	end := len(b) + n
	for seed := mix(id); len(b) < end; seed = mix(seed) {
		// A word out of six is a number, so that the text compresses as prose does.
		if word := seed % 31; word < uint64(len(commentWords)) {
			b = append(b, commentWords[word]...)
		} else {
			b = strconv.AppendUint(b, seed>>40, 10)
		}
		b = append(b, ' ')
	}
	return append(b[:end], '"')
}
