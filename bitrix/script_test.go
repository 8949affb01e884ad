package bitrix

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// portal is a scripted portal: it answers each request.
type portal func(*http.Request) (*http.Response, error)

func (p portal) RoundTrip(r *http.Request) (*http.Response, error) { return p(r) }

// says returns a portal that sends one answer after another, and then repeats the last
// one. An answer is a body, or "STATUS body".
func says(answers ...string) portal {
	n := 0
	return func(*http.Request) (*http.Response, error) {
		n++
		return reply(answers[min(n, len(answers))-1]), nil
	}
}

func reply(answer string) *http.Response {
	status := 200
	if len(answer) >= 4 && answer[3] == ' ' && consistsOf(answer[:3], digits) {
		status = int(answer[0]-'0')*100 + int(answer[1]-'0')*10 + int(answer[2]-'0')
		answer = answer[4:]
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer))}
}

// testHook is the webhook of all scripted portals.
const testHook = "https://acme.bitrix24.com/rest/1/" + testSecret + "/"

func clientOf(t testing.TB, p http.RoundTripper, opts Options) *Client {
	t.Helper()
	opts.Transport = p
	c := New(mustParse(t, testHook), &opts)
	t.Cleanup(c.Close)
	return c
}

// sentCommand is a command in a request.
type sentCommand struct {
	key, method string
	params      url.Values
}

func (c sentCommand) param(name string) string { return c.params.Get(name) }

// commandsOf returns the commands of a batch, in their order; nil if the request is not
// a batch.
func commandsOf(t testing.TB, r *http.Request) []sentCommand {
	t.Helper()
	if !strings.HasSuffix(r.URL.Path, "/batch") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var cmds []sentCommand
	rd := newReader(body)
	err = rd.members(func(name []byte) error {
		if string(name) != "cmd" {
			return rd.d.SkipValue()
		}
		return rd.members(func(key []byte) error {
			k := string(key)
			v, err := rd.value()
			if err != nil {
				return err
			}
			text, err := jsontext.AppendUnquote(nil, v)
			if err != nil {
				return err
			}
			method, query, _ := strings.Cut(string(text), "?")
			params, err := url.ParseQuery(query)
			cmds = append(cmds, sentCommand{k, method, params})
			return err
		})
	})
	if err != nil {
		t.Errorf("read a batch: %v: %s", err, body)
	}
	return cmds
}

// batchReply returns a batch's answer with each command's result or error, both raw
// JSON. A command without either is left out.
func batchReply(results, errs map[string]string) *http.Response {
	object := func(m map[string]string) string {
		var parts []string
		for key, v := range m {
			parts = append(parts, `"`+key+`":`+v)
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	}
	return reply(`{"result":{"result":` + object(results) + `,"result_error":` + object(errs) + `,"result_total":[],"result_next":[],"result_time":[]}}`)
}
