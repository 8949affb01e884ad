package bitrix

import (
	"strings"
	"testing"
)

func TestParseWebhook(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string // String, or "" for an error
		text string // in the error
	}{
		{in: "https://acme.bitrix24.com/rest/1/s3cr3tc0de/", want: "https://acme.bitrix24.com/rest/1/***/"},
		{in: " https://ACME.bitrix24.com/rest/12/s3cr3tc0de\n", want: "https://acme.bitrix24.com/rest/12/***/"},
		{in: "https://crm.example.org:8443/rest/1/s3cr3tc0de/", want: "https://crm.example.org:8443/rest/1/***/"},
		{in: "http://127.0.0.1:8080/rest/1/s3cr3tc0de/", want: "http://127.0.0.1:8080/rest/1/***/"},
		{in: "http://localhost/rest/1/s3cr3tc0de/", want: "http://localhost/rest/1/***/"},
		{in: "http://[::1]:8080/rest/1/s3cr3tc0de/", want: "http://[::1]:8080/rest/1/***/"},
		{in: "http://acme.bitrix24.com/rest/1/s3cr3tc0de/", text: "use https"},
		{in: "http://localhost.evil.com/rest/1/s3cr3tc0de/", text: "use https"},
		{in: "ftp://acme.bitrix24.com/rest/1/s3cr3tc0de/", text: "neither https nor http"},
		{in: "acme.bitrix24.com/rest/1/s3cr3tc0de/", text: "no host"},
		{in: "https:///rest/1/s3cr3tc0de/", text: "no host"},
		{in: "https://acme.bitrix24.com/rest/1/s3cr3tc0de/profile.json", text: "the path is not"},
		{in: "https://acme.bitrix24.com/rest/s3cr3tc0de/", text: "the path is not"},
		{in: "https://acme.bitrix24.com/rest/s3cr3tc0de/1/", text: "not a number"},
		{in: "https://acme.bitrix24.com/rest/1/s3cr3tc0de%2f..", text: "the path is not"},
		{in: "https://acme.bitrix24.com/rest/1/s3cr3tc0de!/", text: "characters"},
		{in: "https://acme.bitrix24.com/rest/1/s3cr3tc0de/?auth=1", text: "query"},
		{in: "https://s3cr3tc0de@acme.bitrix24.com/rest/1/x/", text: "user"},
		{in: "https://acme.bitrix24.com:s3cr3tc0de/rest/1/x/", text: "not an address"},
		{in: "s3cr3tc0de\x7f", text: "not an address"},
		{in: "", text: "no host"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			hook, err := ParseWebhook(tt.in)
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want one with %q", err, tt.text)
				}
				if err != nil && strings.Contains(err.Error(), testSecret) {
					t.Errorf("the error shows the secret: %v", err)
				}
				return
			}
			if err != nil || hook.String() != tt.want {
				t.Errorf("got %q and error %v, want %q", hook, err, tt.want)
			}
		})
	}
}

func TestWebhookParts(t *testing.T) {
	hook := mustParse(t, "https://acme.bitrix24.com:444/rest/17/"+testSecret+"/")
	if hook.Host() != "acme.bitrix24.com:444" || hook.User() != "17" || hook.path("a.b") != "/rest/17/"+testSecret+"/a.b" {
		t.Errorf("host %q, user %q, path %q", hook.Host(), hook.User(), hook.path("a.b"))
	}
	if s := (Webhook{}).String(); s != "" {
		t.Errorf("the zero webhook prints %q", s)
	}
}
