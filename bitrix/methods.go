package bitrix

import (
	"bytes"
	"fmt"
)

// The portal's methods that this program calls. No other place contains their names.
const (
	MethodBatch   = "batch"
	MethodProfile = "profile"
	// MethodScope needs no right except that to use REST.
	MethodScope      = "scope"
	MethodServerTime = "server.time"
	MethodFeatureGet = "feature.get"

	// MethodPaymentList lists the payments of the whole portal, for administrators.
	MethodPaymentList    = "sale.payment.list"
	MethodItemPaymentGet = "crm.item.payment.get"
	// MethodItemPaymentList lists the payments of one owner.
	MethodItemPaymentList = "crm.item.payment.list"
	// MethodOrderEntityList lists the owner of each order.
	MethodOrderEntityList = "crm.orderentity.list"
	// MethodOrderList has the time at which each order was last saved.
	MethodOrderList = "sale.order.list"

	MethodItemList      = "crm.item.list"
	MethodItemGet       = "crm.item.get"
	MethodTypeList      = "crm.type.list"
	MethodCategoryList  = "crm.category.list"
	MethodStatusList    = "crm.status.list"
	MethodUserGet       = "user.get"
	MethodPaySystemList = "sale.paysystem.list"

	// The methods of an application's queue of events.
	MethodEventBind    = "event.bind"
	MethodEventGet     = "event.get"
	MethodOfflineList  = "event.offline.list"
	MethodOfflineGet   = "event.offline.get"
	MethodOfflineClear = "event.offline.clear"
)

// lists contains, for each list method that this program calls, where the list is in
// the method's result: under a name or, for "", the result itself. An empty list is a
// list: methods whose result is the list return [] for an empty one, and no other
// methods do. An answer of one of these methods without its list is invalid
// (CodeNoList): servers sometimes return null, false, "", [] or {}, and a client that
// accepted that as an empty list would delete every row.
var lists = map[string]string{
	MethodPaymentList:     "payments",
	MethodOrderList:       "orders",
	MethodOrderEntityList: "orderEntity",
	MethodItemList:        "items",
	MethodTypeList:        "types",
	MethodCategoryList:    "categories",
	MethodOfflineGet:      "events",
	MethodItemPaymentList: "",
	MethodEventGet:        "",
	MethodOfflineList:     "",
	MethodUserGet:         "",
	MethodPaySystemList:   "",
	MethodStatusList:      "",
}

// lacksList returns an error if result, an answer of a list method, has no list. It
// returns nil if method is not a list method.
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
