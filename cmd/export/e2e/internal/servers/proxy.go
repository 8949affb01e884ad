package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy passes connections on to a server, and breaks them on demand.
type Proxy struct {
	// Addr is its address, host and port.
	Addr  string
	proxy *toxiproxy.Proxy
}

// StartProxy starts a proxy in front of the server at upstream.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{proxy: toxiproxy.NewProxy(server, "e2e", "127.0.0.1:0", upstream)}
	if err := p.proxy.Start(); err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	t.Cleanup(p.proxy.Stop)
	p.Addr = p.proxy.Listen
	return p
}

// Toxic is a fault. Type and Attributes are toxiproxy's.
type Toxic struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Stream is upstream for what the client sends, downstream for the answers.
	Stream string `json:"stream"`
	// Toxicity is the share of connections that have the fault.
	Toxicity   float64        `json:"toxicity"`
	Attributes map[string]int `json:"attributes"`
}

// Add makes connections faulty, also those that are open.
func (p *Proxy) Add(t testing.TB, toxic Toxic) {
	t.Helper()
	data, err := json.Marshal(toxic)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(data)); err != nil {
		t.Fatalf("add %s: %v", toxic.Name, err)
	}
}

// Reset removes all faults.
func (p *Proxy) Reset() { p.proxy.Toxics.ResetToxics(context.Background()) }

// Cut refuses connections, and closes those that are open, until Restore.
func (p *Proxy) Cut() { p.proxy.Stop() }

// Restore ends a Cut.
func (p *Proxy) Restore(t testing.TB) {
	t.Helper()
	if err := p.proxy.Start(); err != nil {
		t.Fatalf("start proxy again: %v", err)
	}
}
