package bitrix

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"
)

// BenchmarkBatch is a batch of 50 gets from the commands to their results, with
// an answer that is there at once: what the client itself costs.
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
