package bitrix

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var payments = Listing{Method: "sale.payment.list", Items: "payments", IDField: "id", Select: []string{"id", "sum"}, Filter: Params{"paid": "Y"}}

// TestChainCommands checks the commands of a chain.
func TestChainCommands(t *testing.T) {
	cmds := payments.chain(1200, 0, 12, countFirst)
	if cmds[0].Key != "c00" || cmds[9].Key != "c09" || cmds[10].Key != "c10" || cmds[11].Method != "sale.payment.list" {
		t.Errorf("commands %+v", cmds)
	}
	for i, want := range map[int]string{
		0:  `{"filter":{">id":1200,"paid":"Y"},"order":{"id":"ASC"},"select":["id","sum"],"start":0}`,
		1:  `{"filter":{">id":"$result[c00][payments][49][id]","paid":"Y"},"order":{"id":"ASC"},"select":["id","sum"],"start":-1}`,
		11: `{"filter":{">id":"$result[c10][payments][49][id]","paid":"Y"},"order":{"id":"ASC"},"select":["id","sum"],"start":-1}`,
	} {
		if got, err := appendJSON(nil, cmds[i].Params, 0); err != nil || string(got) != want {
			t.Errorf("command %d: %s, error %v, want %s", i, got, err, want)
		}
	}
	bare := Listing{Method: "m", IDField: "orderId"}.chain(0, 0, 2, countNone)
	if got, _ := appendJSON(nil, bare[1].Params, 0); string(got) != `{"filter":{">orderId":"$result[c00][49][orderId]"},"order":{"orderId":"ASC"},"start":-1}` {
		t.Errorf("without a name for the list: %s", got)
	}
	if len(payments.Filter) != 1 {
		t.Errorf("the caller's filter was changed: %v", payments.Filter)
	}
}

// pageOf returns a page of n ids from first on.
func pageOf(first int64, n int) string {
	var b strings.Builder
	b.WriteString(`{"payments":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d}`, first+int64(i))
	}
	b.WriteString(`]}`)
	return b.String()
}

func TestCut(t *testing.T) {
	ok := func(v string) Result { return Result{Value: []byte(v), Total: -1, At: time.Unix(1, 0)} }
	failed := Result{Err: &Error{Code: "X", where: inCommand}}
	full := func(first int64) Result { return ok(pageOf(first, 50)) }
	for _, tt := range []struct {
		name    string
		results []Result
		pages   int
		cursor  int64
		ended   bool
		err     error
	}{
		{"all full", []Result{full(11), full(61), full(111)}, 3, 160, false, nil},
		{"gaps", []Result{full(1000), full(5000)}, 2, 5049, false, nil},
		{"a short one", []Result{full(11), ok(pageOf(61, 7))}, 2, 67, true, nil},
		{"an empty one", []Result{full(11), ok(pageOf(0, 0))}, 1, 60, true, nil},
		{"nothing at all", []Result{ok(pageOf(0, 0))}, 0, 10, true, nil},
		{"nothing at all, and no list", []Result{ok(`[]`)}, 0, 10, false, ErrShape},
		{"the first page again, behind a short one", []Result{ok(pageOf(11, 7)), full(11), full(11)}, 1, 17, true, nil},
		{"an error behind a short one", []Result{ok(pageOf(11, 7)), failed}, 1, 17, true, nil},
		{"the first page again, behind a full one", []Result{full(11), full(11)}, 1, 60, false, ErrStall},
		{"a step back", []Result{full(11), full(30)}, 1, 60, false, ErrStall},
		{"not behind the cursor", []Result{full(10)}, 0, 10, false, ErrStall},
		{"an id twice", []Result{ok(`{"payments":[{"id":11},{"id":11}]}`)}, 0, 10, false, ErrStall},
		{"descending", []Result{ok(`{"payments":[{"id":12},{"id":11}]}`)}, 0, 10, false, ErrStall},
		{"an error", []Result{full(11), failed, full(61)}, 1, 60, false, failed.Err},
		{"an error at once", []Result{failed, full(11)}, 0, 10, false, failed.Err},
		{"another shape", []Result{full(11), ok(`{"items":[]}`)}, 1, 60, false, ErrShape},
		{"more than a page", []Result{ok(pageOf(11, 70)), full(61)}, 1, 80, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := payments.cut(tt.results, 10)
			if len(k.pages) != tt.pages || k.cursor != tt.cursor || k.ended != tt.ended || !errors.Is(k.err, tt.err) || (k.err == nil) != (tt.err == nil) {
				t.Errorf("%d pages up to %d, ended %v, error %v; want %d up to %d, %v, %v",
					len(k.pages), k.cursor, k.ended, k.err, tt.pages, tt.cursor, tt.ended, tt.err)
			}
			last := int64(10)
			for _, p := range k.pages {
				if len(p.Items) != len(p.IDs) || p.IDs[0] <= last || !slices.IsSorted(p.IDs) || p.At.Unix() != 1 {
					t.Errorf("page %+v behind %d", p, last)
				}
				last = p.IDs[len(p.IDs)-1]
			}
		})
	}
}
