package bitrixtest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"b24export/bitrix/bitrixtest"
)

// A portal without a network, its data, and what a client sees of it.
func Example() {
	p := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 1000})
	client := &http.Client{Transport: p.RoundTripper()}
	body := strings.NewReader(fmt.Sprintf(`{"filter":{">id":%d},"order":{"id":"asc"},"select":["id","sum","currency"],"start":-1}`, p.ID(997)))
	req, err := http.NewRequest(http.MethodPost, p.Webhook("https://acme.bitrix24.com")+"sale.payment.list", body)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("User-Agent", "example/1.0")
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, _, _ := strings.Cut(string(answer), `,"time"`)
	fmt.Println(result)
	for payment := range p.From(p.ID(998)) {
		fmt.Println(payment.ID, payment.Sum, payment.Currency, payment.OrderID, payment.Paid)
	}
	fmt.Println(p.Stats().Commands, p.Violations())
	// Output:
	// {"result":{"payments":[{"currency":"BRL","id":1312,"sum":398.91},{"currency":"USD","id":1314,"sum":170431.23}]}
	// 1312 398.9100 BRL 682 true
	// 1314 170431.2300 USD 682 true
	// map[sale.payment.list:1] []
}
