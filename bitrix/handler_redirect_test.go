package bitrix

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestRenamedPortal(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var seen []string
			var lines strings.Builder
			c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				seen = append(seen, r.Method+" "+r.URL.Host+" "+string(body))
				if r.URL.Host == "acme.bitrix24.com" {
					a := reply(fmt.Sprintf("%d moved", status))
					a.Header.Set("Location", "https://Newname.bitrix24.com"+r.URL.Path)
					return a, nil
				}
				return reply(`{"result":true}`), nil
			}), Options{Log: slog.New(slog.NewTextHandler(&lines, nil))})
			for i := range 3 {
				if _, err := c.Call(t.Context(), "a.b", Params{"i": i}); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{
				`POST acme.bitrix24.com {"i":0}`, `POST Newname.bitrix24.com {"i":0}`,
				`POST newname.bitrix24.com {"i":1}`, `POST newname.bitrix24.com {"i":2}`,
			}
			if fmt.Sprint(seen) != fmt.Sprint(want) {
				t.Errorf("sent %q, want %q", seen, want)
			}
			if out := lines.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "update the job") || strings.Contains(out, testSecret) {
				t.Errorf("log: %q, want one line that says what to do", out)
			}
			if u := c.Use(); u.Requests != 3 {
				t.Errorf("%d requests, want 3: the way round is not the portal's work", u.Requests)
			}
		})
	}
}

func TestRedirectsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, hook, location, text string }{
		{"to another domain", "https://acme.bitrix24.com", "https://acme.evil.com/rest/", "not the portal's domain"},
		{"to a domain that only ends like it", "https://acme.bitrix24.com", "https://evilbitrix24.com/rest/", "not the portal's domain"},
		{"to another site of a public suffix", "https://acme.co.uk", "https://other.co.uk/", "not the portal's domain"},
		{"to a bare public suffix", "https://acme.co.uk", "https://co.uk/", "not the portal's domain"},
		{"to plain http", "https://acme.bitrix24.com", "http://acme.bitrix24.com/", "from https to http"},
		{"from loopback to the world", "http://127.0.0.1:8080", "http://acme.bitrix24.com/", "not the portal's domain"},
		{"from loopback to https", "http://127.0.0.1:8080", "https://127.0.0.1/", "from http to https"},
		{"to an address of numbers", "https://acme.bitrix24.com", "https://10.0.0.1/", "not the portal's domain"},
		{"to one with a user", "https://acme.bitrix24.com", "https://u:p@acme.bitrix24.com/", "with a user"},
		{"to nowhere", "https://acme.bitrix24.com", "https:///x", "without a host"},
		{"to something unreadable", "https://acme.bitrix24.com", "https://[::1/" + testSecret, "unreadable"},
		{"round and round", "https://acme.bitrix24.com", "", "redirected 5 times"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			c := New(mustParse(t, tt.hook+"/rest/1/"+testSecret+"/"), &Options{Transport: portal(func(r *http.Request) (*http.Response, error) {
				n++
				a := reply("302 ")
				a.Header.Set("Location", tt.location)
				if tt.location == "" {
					a.Header.Set("Location", fmt.Sprintf("https://n%d.bitrix24.com%s", n, r.URL.Path))
				}
				return a, nil
			})})
			defer c.Close()
			_, err := c.Call(t.Context(), "a.b", nil)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Class() != Stop || !strings.Contains(e.Error(), tt.text) || strings.Contains(e.Error(), testSecret) {
				t.Errorf("error %v, want a Stop with %q", err, tt.text)
			}
			if tt.location != "" && n != 1 {
				t.Errorf("%d requests: something was sent there", n)
			}
		})
	}
}

// TestSameSite lists hosts of the same site, besides the refused ones above.
func TestSameSite(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"acme.bitrix24.com", "new.bitrix24.com", true},
		{"ACME.bitrix24.com.", "acme.bitrix24.com", true},
		{"crm.example.co.uk", "example.co.uk", true},
		{"127.0.0.1", "localhost", true},
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"portal", "portal", true},
		{"portal", "other", false},
	} {
		if got := sameSite(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

// TestMovedMethodIsFollowedOnce: a redirect to another path is followed, but does not
// change the portal's host.
func TestMovedMethodIsFollowedOnce(t *testing.T) {
	var hosts []string
	c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		if r.URL.Host == "acme.bitrix24.com" {
			a := reply("307 ")
			a.Header.Set("Location", "//other.bitrix24.com/elsewhere")
			return a, nil
		}
		return reply(`{"result":1}`), nil
	}), Options{})
	for range 2 {
		if _, err := c.Call(t.Context(), "a.b", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(hosts, " "); got != "acme.bitrix24.com other.bitrix24.com acme.bitrix24.com other.bitrix24.com" {
		t.Errorf("asked %s", got)
	}
}
