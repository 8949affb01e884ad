package bitrixtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// batchBody makes the body of a batch of gets of consecutive payments.
func batchBody(p *Portal, first int64, n int) string {
	var b strings.Builder
	b.WriteString(`{"halt":0,"cmd":{`)
	for i := range int64(n) {
		if i > 0 {
			b.WriteByte(',')
		}
		id := strconv.FormatInt(p.ID((first+i)%p.Count()), 10)
		b.WriteString(`"p` + id + `":"crm.item.payment.get?id=` + id + `"`)
	}
	b.WriteString(`}}`)
	return b.String()
}

func postJSON(b *testing.B, c *http.Client, url, body string) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bench/1")
	resp, err := c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		b.Fatal(resp.Status, err)
	}
}

// BenchmarkGets fetches payments of a portal of five million in batches of 50.
func BenchmarkGets(b *testing.B) {
	for _, odd := range []bool{false, true} {
		b.Run(fmt.Sprintf("odd=%t", odd), func(b *testing.B) {
			p := New(Options{Seed: 1, Payments: 5_000_000, Odd: odd, AllowRegets: true})
			c := &http.Client{Transport: p.RoundTripper()}
			url := p.Webhook("https://fake") + "batch"
			bodies := make([]string, 200)
			for i := range bodies {
				bodies[i] = batchBody(p, int64(i)*24_000, 50)
			}
			b.ReportAllocs()
			for i := range b.N {
				postJSON(b, c, url, bodies[i%len(bodies)])
			}
			b.ReportMetric(50*float64(b.N)/b.Elapsed().Seconds(), "gets/s")
		})
	}
}

// BenchmarkSocketGets is BenchmarkGets over a socket.
func BenchmarkSocketGets(b *testing.B) {
	p := New(Options{Seed: 1, Payments: 5_000_000, AllowRegets: true})
	server := httptest.NewServer(p)
	defer server.Close()
	url := p.Webhook(server.URL) + "batch"
	body := batchBody(p, 1_000_000, 50)
	for range b.N {
		postJSON(b, server.Client(), url, body)
	}
	b.ReportMetric(50*float64(b.N)/b.Elapsed().Seconds(), "gets/s")
}

// BenchmarkChain walks a portal of five million by chains of 50 pages.
func BenchmarkChain(b *testing.B) {
	p := New(Options{Seed: 1, Payments: 5_000_000})
	c := &http.Client{Transport: p.RoundTripper()}
	url := p.Webhook("https://fake") + "batch"
	const query = "sale.payment.list?select[]=id&select[]=sum&select[]=paid&select[]=datePaid&select[]=orderId&order[id]=ASC&start=-1&filter[>id]="
	var body bytes.Buffer
	rows := 0.0
	for i := range b.N {
		body.Reset()
		fmt.Fprintf(&body, `{"halt":0,"cmd":{"c0":"%s%d"`, query, p.ID(int64(i)*2500%4_000_000))
		for j := 1; j < 50; j++ {
			fmt.Fprintf(&body, `,"c%d":"%s$result[c%d][payments][49][id]"`, j, query, j-1)
		}
		body.WriteString("}}")
		postJSON(b, c, url, body.String())
		rows += 2500
	}
	b.ReportMetric(rows/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkPage requests the page after a cursor, with and without a total.
func BenchmarkPage(b *testing.B) {
	p := New(Options{Seed: 1, Payments: 5_000_000})
	for _, test := range []struct {
		name string
		page page
	}{
		{"uncounted", page{limit: pageSize}},
		{"counted", page{limit: pageSize, count: true}},
		{"offset", page{limit: pageSize, count: true, start: 4_000_000}},
	} {
		b.Run(test.name, func(b *testing.B) {
			seen := 0
			for i := range b.N {
				after := condition{field: payID, kind: intField, op: opMore, numbers: []int64{int64(i) * 977 % 1_000_000}}
				p.data.findPayments([]condition{after}, test.page, &p.counts, func(*row) { seen++ })
			}
			if seen != 50*b.N {
				b.Fatal("saw", seen)
			}
		})
	}
}
