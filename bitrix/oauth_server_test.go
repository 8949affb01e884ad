package bitrix_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
)

// tokenHosts records the hosts of requests for tokens.
type tokenHosts struct {
	to    http.RoundTripper
	hosts []string
}

func (h *tokenHosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/oauth/token/" {
		h.hosts = append(h.hosts, r.URL.Scheme+"://"+r.URL.Host)
	}
	return h.to.RoundTrip(r)
}

// The authorization server names the region's own server in its answers. The next
// refresh uses that one if it is one of the vendor's. The client secret is sent to no
// other host.
func TestRegionalAuthorizationServer(t *testing.T) {
	const regional = "https://oauth.bitrix24.tech"
	for _, tt := range []struct{ server, endpoint, want string }{
		{appServer, regional + "/rest/", regional},
		{appServer, "https://OAUTH.bitrix24.tech/rest/", regional},
		{"", regional + "/rest/", regional},
		{appServer, "http://oauth.bitrix24.tech/rest/", appServer},
		{appServer, "https://oauth.bitrix24.tech:8443/rest/", appServer},
		{appServer, "https://a:b@oauth.bitrix24.tech/rest/", appServer},
		{appServer, "https://oauth.bitrix24.tech.example/rest/", appServer},
		{appServer, "https://acme.bitrix24.com/rest/", appServer},
		{appServer, "https://oauth.example.com/rest/", appServer},
		{appServer, "no address %zz", appServer},
		// Another server than the default is the job's choice.
		{regional, appServer + "/rest/", regional},
		{"https://gate.example.com", regional + "/rest/", "https://gate.example.com"},
	} {
		t.Run(tt.server+" "+tt.endpoint, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := appOptions(t)
				o.OAuth.ServerEndpoint = tt.endpoint
				p := bitrixtest.New(o)
				store := newMemoryTokens(firstTokens(p))
				app, err := bitrix.NewApplication(appPortal, appID, appSecret, tt.server, store)
				if err != nil {
					t.Fatal(err)
				}
				hosts := &tokenHosts{to: p.RoundTripper()}
				client := bitrix.New(app, &bitrix.Options{Transport: hosts})
				defer client.Close()
				for range 3 {
					if _, err := client.Call(t.Context(), "profile", nil); err != nil {
						t.Fatal(err)
					}
					p.ExpireTokens()
				}
				first := tt.server
				if first == "" {
					first = bitrix.DefaultServer
				}
				if want := []string{first, tt.want, tt.want}; !slices.Equal(hosts.hosts, want) {
					t.Errorf("tokens were asked for at %v, want %v", hosts.hosts, want)
				}
			})
		})
	}
}
