package bitrix

import (
	"bytes"
	"fmt"
)

// lists names, for each list method that this program calls, where the list
// stands in the method's result: under a name, or, for "", as the result itself.
// An empty list is a list: methods whose result is the list answer [] for
// "nothing", and no others do. An answer of one of these methods without its list
// is no answer (CodeNoList): servers answer null, false, "", [] or {} now and then,
// and whoever took that for an empty list would take every row for deleted.
var lists = map[string]string{
	"sale.payment.list":     "payments",
	"sale.order.list":       "orders",
	"crm.orderentity.list":  "orderEntity",
	"crm.item.list":         "items",
	"crm.type.list":         "types",
	"crm.category.list":     "categories",
	"event.offline.get":     "events",
	"crm.item.payment.list": "",
	"event.get":             "",
	"event.offline.list":    "",
	"user.get":              "",
	"sale.paysystem.list":   "",
	"crm.status.list":       "",
}

// lacksList returns why result, an answer of method, is no answer of a list
// method; nil if it has its list, or if the method is no list method.
func lacksList(method string, result []byte) *wireError {
	name, isList := lists[method]
	if !isList || result == nil {
		return nil
	}
	// Nearly all answers begin with their list.
	if rest, ok := bytes.CutPrefix(result, []byte(`{"`+name+`":[`)); ok && len(rest) > 0 && name != "" {
		return nil
	}
	_, err := decode(result, func(r reader) (struct{}, error) {
		return struct{}{}, r.list(name, r.d.SkipValue)
	})
	if err == nil {
		return nil
	}
	what := "is no list"
	if name != "" {
		what = fmt.Sprintf("has no list %q", name)
	}
	return &wireError{CodeNoList, "the result " + what}
}
