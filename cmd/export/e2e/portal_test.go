package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
)

// serve serves a portal over HTTP with a handler, its own or one in front of it, until
// the test ends. It returns the portal's webhook.
func serve(t testing.TB, portal *bitrixtest.Portal, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return portal.Webhook(server.URL)
}

// ask calls a method of a portal and returns the answer's body.
func ask(t testing.TB, portal *bitrixtest.Portal, method, params string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		portal.Webhook("https://acme.bitrix24.com")+method, strings.NewReader(params))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "b24export-e2e/1")
	// A test may ask again.
	portal.ForgetGets()
	resp, err := portal.RoundTripper().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// gets returns the number of gets of payments that a portal received.
func gets(portal *bitrixtest.Portal) int64 { return portal.Stats().Commands["crm.item.payment.get"] }

// truth returns the table of a portal's present payments.
func truth(portal *bitrixtest.Portal) []table.Row {
	id := func(n int64) string {
		if n == 0 {
			return table.Null
		}
		return strconv.FormatInt(n, 10)
	}
	instant := func(at time.Time) string {
		if at.IsZero() {
			return table.Null
		}
		return at.UTC().Format(table.TimeLayout)
	}
	var rows []table.Row
	for p := range portal.All() {
		rows = append(rows, table.Row{
			id(p.ID), p.AccountNumber, strconv.FormatBool(p.Paid), instant(p.DatePaid), id(p.EmpPaidID), id(p.PaySystemID),
			p.Sum, p.Currency, p.PaySystemName, id(p.OrderID), id(p.OwnerTypeID), id(p.OwnerID), instant(p.DateBill), table.Null,
			map[string]string{"N": table.Null, "Y": "inner", "P": "pay_system"}[p.IsReturn], id(p.ResponsibleID),
		})
	}
	return rows
}

// wantTable compares the current table with the portal, field by field.
func wantTable(t testing.TB, p place, portal *bitrixtest.Portal) {
	t.Helper()
	if diff := table.Diff(table.OpenDuckDB(t).Payments(t, p.current()), truth(portal)); diff != "" {
		t.Errorf("the table differs from the portal:\n%s", diff)
	}
}
