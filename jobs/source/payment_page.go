package source

import (
	"fmt"
	"slices"

	"b24export/bitrix"
	"b24export/schemas"
)

// paymentItems is the name of the list of payments in a page of sale.payment.list.
const paymentItems = "payments"

// Whether a page of payments includes the number of all payments that match. For that
// number the portal counts every matching row.
const (
	Uncounted = -1
	Counted   = 0
)

// PaymentPage returns the command for a page of sale.payment.list: fields of the
// payments that match where, by id in the order "asc" or "desc". start is Counted or
// Uncounted.
func PaymentPage(key string, fields []string, where bitrix.Params, order string, start int) bitrix.Command {
	return bitrix.Command{Key: key, Method: bitrix.MethodPaymentList, Params: bitrix.Params{
		"select": fields, "filter": where, "order": bitrix.Params{"id": order}, "start": start,
	}}
}

// PaymentsOf returns the payments on a page. value is the value of a result.
func PaymentsOf(value []byte) ([][]byte, error) {
	raws, err := bitrix.Items(value, paymentItems)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bitrix.MethodPaymentList, err)
	}
	return raws, nil
}

// paymentListing returns the listing of all payments that match filter. extra are the
// job's further fields.
func paymentListing(extra []string, filter bitrix.Params) bitrix.Listing {
	return bitrix.Listing{
		Method: bitrix.MethodPaymentList, Items: paymentItems, IDField: "id",
		Select: schemas.ListFields(extra), Filter: filter, Windows: true,
	}
}

// paymentsByID returns the filter for payments by their ids. Without fields it selects
// the id.
func paymentsByID(fields []string) listFilter {
	if fields == nil {
		fields = []string{"id"}
	}
	return listFilter{method: bitrix.MethodPaymentList, items: paymentItems, field: "id", fields: fields}
}

// paymentsByOrder returns the filter for the payments above an id by their orders.
func paymentsByOrder(fields []string, after int64) listFilter {
	return listFilter{
		method: bitrix.MethodPaymentList, items: paymentItems, field: "orderId", fields: fields,
		where: bitrix.Params{">id": after}, params: bitrix.Params{"order": bitrix.Params{"id": "asc"}},
	}
}

// ByIDCommand returns the command for one payment by a list of its id. ReadsLists
// reports whether the answer shows that the portal reads such a list correctly.
func ByIDCommand(id int64) bitrix.Command {
	filter := paymentsByID(nil)
	return filter.command("list", []int64{id})
}

// ReadsLists reports whether the result of ByIDCommand contains that payment. For the
// id 1 the result proves nothing.
func ReadsLists(res bitrix.Result, id int64) bool {
	filter := paymentsByID(nil)
	_, answered, err := filter.read(&res)
	return err != nil || slices.Contains(answered, id)
}
