package servers

import (
	"net/url"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// GCS is a running emulator of Google Cloud Storage.
type GCS struct {
	server *fakestorage.Server
	// Addr is its address, host and port.
	Addr string
}

// StartGCS starts an emulator that keeps its objects in memory.
func StartGCS(t testing.TB) *GCS {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		Scheme: "http",
		Host:   "127.0.0.1",
		Port:   0,
		// Reads use the public host; its default is Google's.
		PublicHost: "127.0.0.1",
	})
	if err != nil {
		t.Fatalf("start GCS emulator: %v", err)
	}
	t.Cleanup(server.Stop)
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	return &GCS{server: server, Addr: u.Host}
}

// Bucket creates a bucket and returns its URL.
func (g *GCS) Bucket(name string) string {
	g.server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	return "gs://" + name
}

// Env returns the variables that make a process use the emulator. A process reads them
// once, at its first gs:// URL.
func (g *GCS) Env() []string {
	// Host and port without a scheme: with one, the client would connect to a host with
	// the scheme's name.
	return []string{"STORAGE_EMULATOR_HOST=" + g.Addr}
}
