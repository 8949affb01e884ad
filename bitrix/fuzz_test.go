package bitrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// FuzzBatchAnswer: no input causes a panic, and each result is valid JSON that is part
// of the answer.
func FuzzBatchAnswer(f *testing.F) {
	body, _ := batchBody(2)
	for _, seed := range []string{
		string(body),
		`{"result":{"result":{"a":1,"b":{"x":[]}},"result_error":[],"result_total":{"a":3},"result_next":{"a":"50"},"result_time":{"a":{"operating":1.5}}},"time":{"start":1}}`,
		`{"result":{"result":[],"result_error":{"a":{"error":0,"error_description":"Access denied"},"b":"no"}}}`,
		`{"result":{"result":{"p1000":{"payments":{}}, "p1001": {"payments" : [{"x":{"id":3},"id":"5"}, {"id":7}],"x":[]} }}}`,
		`{"result":{"result":{"p1001":{"payments":[{"id":5},{"x":7},9],"x":[]},"p1000":0}}}`,
		`{"result":[],"total":"7"}`, `{"error":"","error_description":""}`, `{"result":{"result":[1,2]}}`, `<html>`, ``, `{"result":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, batch := range [][]Command{nil, testBatch, {{Key: "p1000"}, {Key: "p1001", list: &Listing{Items: "payments", IDField: "id"}}}} {
			a, err := decodeAnswer(body, batch)
			want, wantErr := newReader(body).answer(batch)
			if (err == nil) != (wantErr == nil) || show(a) != show(want) {
				t.Fatalf("read as %s, %v\nby the complete decoder as %s, %v", show(a), err, show(want), wantErr)
			}
			if err != nil {
				continue
			}
			if !json.Valid(body) && bytes.Equal(bytes.ToValidUTF8(body, nil), body) {
				t.Fatalf("%q is not JSON", body)
			}
			values := [][]byte{a.result}
			for _, c := range a.commands {
				values = append(values, c.result)
				if c.total < -1 || c.next < -1 {
					t.Fatalf("total %d, next %d", c.total, c.next)
				}
			}
			for _, v := range values {
				if v != nil && !bytes.Contains(body, v) {
					t.Fatalf("%q is not in the answer", v)
				}
			}
		}
	})
}

// show formats everything in an answer.
func show(a wireAnswer) string {
	var b strings.Builder
	one := func(result []byte, err *wireError, total, next int64, t wireTime) {
		if err == nil {
			err = &wireError{"none", "none"}
		}
		fmt.Fprintf(&b, "%q %q %d %d %v\n", result, *err, total, next, t)
	}
	one(a.result, a.err, a.total, a.next, a.time)
	for _, c := range a.commands {
		one(c.result, c.err, c.total, c.next, c.time)
		if c.page != nil {
			fmt.Fprintf(&b, "%q %d %v\n", c.page.items, c.page.ids, c.page.err)
		}
	}
	return b.String()
}

// FuzzListPage: no input causes a panic, and each element has an id.
func FuzzListPage(f *testing.F) {
	for _, seed := range []string{
		`{"payments":[{"id":1,"sum":0.10000000000000001},{"id":"2"}]}`, `{"payments":{"7":{"x":{"id":1},"id":9}}}`, `[]`, `null`,
		`{"payments":[{"id":9223372036854775808}]}`, `{"payments":[[]]}`, `{"payments":"x"}`, `[{"id":5}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, result []byte) {
		for _, items := range []string{"payments", ""} {
			p, err := decodePage(result, items, "id")
			if err != nil {
				continue
			}
			if len(p.items) != len(p.ids) {
				t.Fatalf("%d elements, %d ids", len(p.items), len(p.ids))
			}
			for _, item := range p.items {
				if item[0] != '{' || item[len(item)-1] != '}' {
					t.Fatalf("%q is not an element", item)
				}
			}
		}
	})
}

// FuzzErrorBody: no input causes a panic, the error's class is one of the table's, and
// its text is one bounded line without the secret.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		`{"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many requests"}`, `{"error":0,"error_description":"Access denied"}`,
		`{"error":"","error_description":"s3cr3tc0de\n"}`, `{"error":{"code":1,"message":"x"}}`, `{"error":{"error":{"error":[]}}}`,
		`"text"`, `[]`, `null`, `17`, `{}`, `<html>s3cr3tc0de`, "{\"error\":\"\xff\"}",
	} {
		f.Add([]byte(seed), 500)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		x := &exchange{method: "a.b", where: inCall}
		a := &answer{status: status, body: body, ticket: &ticket{}}
		check := func(e *Error) {
			if e == nil {
				return
			}
			if c := e.Class(); c < Retry || c > Stop {
				t.Fatalf("class %v", c)
			}
			if text := []byte(e.Error()); bytes.Contains(text, []byte(testSecret)) || bytes.ContainsAny(text, "\n\r\x00") || len(text) > 3*descriptionLimit {
				t.Fatalf("text %q", text)
			}
		}
		check(x.read(a, Secret(testSecret)))
		if len(body) > 0 && json.Valid(body) {
			if e, err := readError(bytes.TrimSpace(body)); err == nil && e != nil {
				check(x.failure(oneLine(e.code, Secret(testSecret)), oneLine(e.description, Secret(testSecret))))
			}
		}
	})
}
