package bitrix

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// nonsense are values that can replace any other.
var nonsense = map[string]string{
	"nothing": "", "null": "null", "true": "true", "zero": "0", "negative": "-1", "fraction": "1.5", "huge": "1e999", "tiny": "1e-999999999",
	"beyond int64": "9223372036854775808", "empty text": `""`, "text": `"x"`, "number in a text": `"7"`, "not UTF-8": "\"\xff\xfe\"",
	"half a surrogate": `"\ud800"`, "control characters": "\"a\x00\nb\"", "empty list": "[]", "list": "[1,2]", "list of lists": "[[[]]]",
	"empty map": "{}", "map": `{"a":1}`, "a name twice": `{"id":1,"id":2}`, "numeric names": `{"0":{"id":1},"1":{"id":1}}`,
	"deep": strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000), "deep and open": strings.Repeat(`{"a":`, 11_000),
	"HTML": "<html><body>Bad gateway</body></html>", "ids out of order": `[{"id":9},{"id":3}]`, "an id twice": `[{"id":3},{"id":3}]`,
	"negative id": `[{"id":-3}]`, "id of a wrong type": `[{"id":{"id":3}}]`, "element of a wrong type": `[{"id":3},7]`,
}

// places are answers in which nonsense replaces @: the answers of a batch of two
// commands, which the first chain of a listing and a batch of a and c00 accept, or of a
// single call.
var places = map[string]string{
	"answer": `@`, "result": `{"result":@}`, "error": `{"error":@}`, "error's text": `{"error":"X","error_description":@}`,
	"time": `{"result":{"result":{"c00":{"payments":[]},"a":1}},"time":@}`, "total": `{"result":{"payments":[]},"total":@}`,
	"next": `{"result":{"payments":[{"id":1}]},"next":@}`, "results": `{"result":{"result":@}}`,
	"a command's result": `{"result":{"result":{"c00":@,"a":@}}}`, "a foreign command": `{"result":{"result":{"zz":@,"c99":1}}}`,
	"errors": `{"result":{"result":[],"result_error":@}}`, "a command's error": `{"result":{"result":[],"result_error":{"c00":@,"a":@}}}`,
	"an error's code": `{"result":{"result":[],"result_error":{"c00":{"error":@},"a":{"error":@}}}}`,
	"totals":          `{"result":{"result":{"c00":{"payments":[]},"a":1},"result_total":@,"result_next":@,"result_time":@}}`,
	"a total":         `{"result":{"result":{"c00":{"payments":[]},"a":1},"result_total":{"c00":@},"result_next":{"c00":@},"result_time":{"c00":@}}}`,
	"times":           `{"result":{"result":{"c00":{"payments":[]},"a":1},"result_time":{"c00":{"operating":@,"operating_reset_at":@,"start":@,"finish":@}}}}`,
	"a list":          `{"result":{"result":{"c00":{"payments":@},"a":1}}}`, "an element": `{"result":{"result":{"c00":{"payments":[@]},"a":1}}}`,
	"an id": `{"result":{"result":{"c00":{"payments":[{"id":@}]},"a":1}}}`, "a field": `{"result":{"result":{"c00":{"payments":[{"id":4,"x":@}]},"a":1}}}`,
	"behind the answer": `{"result":{"result":{"c00":{"payments":[]},"a":1}}}@`,
}

// TestNonsenseAnywhere: for any value at any place of an answer, and however often, a
// call, a batch and a listing end after a bounded number of requests: with a result, or
// with one error of one bounded line.
func TestNonsenseAnywhere(t *testing.T) {
	for place, template := range places {
		for kind, value := range nonsense {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				body := strings.ReplaceAll(template, "@", value)
				c := clientOf(t, portal(func(*http.Request) (*http.Response, error) {
					requests++
					return reply(body), nil
				}), Options{Patience: time.Minute, Limits: Limits{Window: time.Minute, Operating: 48 * time.Second, Concurrency: 4}})
				end := func(what string, err error) {
					t.Helper()
					if requests > 60 {
						t.Errorf("%s in %s: %s: %d requests", kind, place, what, requests)
					}
					if err != nil && (strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 3*descriptionLimit) {
						t.Errorf("%s in %s: %s: error %q", kind, place, what, err)
					}
					requests = 0
				}
				_, err := c.Call(t.Context(), "a.b", nil)
				end("call", err)
				_, err = c.Batch(t.Context(), []Command{{Key: "a", Method: "a.b"}, {Key: "c00", Method: "a.b"}})
				end("batch", err)
				last, n := int64(0), 0
				for page, pageErr := range c.Pages(t.Context(), Listing{Method: "a.list", Items: "payments", IDField: "id"}, 0) {
					err = pageErr
					for _, id := range page.IDs {
						if n++; id <= last || n > 1000 {
							t.Fatalf("%s in %s: id %d after %d", kind, place, id, last)
						}
						last = id
					}
				}
				end("listing", err)
			})
		}
	}
}
