package bitrix

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
)

// BenchmarkBatch is a batch of 50 gets from the commands to their results, with an
// immediate answer: the cost of the client itself.
func BenchmarkBatch(b *testing.B) {
	body, _ := batchBody(50)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(body)
	z.Close()
	hook, err := ParseWebhook("https://acme.bitrix24.com/rest/1/" + testSecret + "/")
	if err != nil {
		b.Fatal(err)
	}
	c := New(hook, &Options{Transport: portal(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Encoding": {"gzip"}},
			Body: io.NopCloser(bytes.NewReader(packed.Bytes())),
		}, nil
	})})
	defer c.Close()
	cmds := make([]Command, 50)
	for i := range cmds {
		id := 1000 + int64(i)
		cmds[i] = Command{Key: "p" + strconv.FormatInt(id, 10), Method: "crm.item.payment.get", Params: Params{"id": id}}
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		results, err := c.Batch(context.Background(), cmds)
		if err != nil || results[49].Err != nil {
			b.Fatal(err, results[49].Err)
		}
	}
}

// BenchmarkListBody reads the answer of a list of 2,500 rows to its end, gzipped, as
// portals send it, and plain.
func BenchmarkListBody(b *testing.B) {
	var body bytes.Buffer
	for i := range 2500 {
		fmt.Fprintf(&body, `{"id":%d,"accountNumber":"%d/1","paid":"Y","datePaid":"2024-05-20T10:%02d:02+03:00","sum":%d.%02d,"currency":"RUB","paySystemName":"\u041a\u0430\u0440\u0442\u0430","orderId":%d,"dateBill":"2024-05-01T00:00:00+03:00","comments":"","companyId":%d,"isReturn":"N","psStatus":null,"psStatusCode":null,"psStatusDescription":null,"psStatusMessage":null,"psSum":null,"psCurrency":null,"psResponseDate":null,"payVoucherNum":null,"payVoucherDate":null,"dateResponsibleId":null,"empResponsibleId":null,"externalPayment":"F","marked":"N"},`,
			i*2, i/2, i%60, i*37%100000, i%100, i/2, i%700)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(body.Bytes())
	z.Close()
	for _, tt := range []struct {
		name string
		sent []byte
		head http.Header
	}{
		{"gzip", packed.Bytes(), http.Header{"Content-Encoding": {"gzip"}}},
		{"plain", body.Bytes(), http.Header{}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				got, err := readAll(&http.Response{Header: tt.head, Body: io.NopCloser(bytes.NewReader(tt.sent)), ContentLength: int64(len(tt.sent))}, bodyLimit{most: maxAnswer})
				if err != nil || len(got) != body.Len() {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
