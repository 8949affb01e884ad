package sinks

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// A store whose answers have no checksum makes the client of S3 warn at each read. The
// log has one warning, and standard error has no output of the client.
func TestLogOfS3Client(t *testing.T) {
	server := &oldS3{
		refuse:  func(*http.Request) (int, string, string) { return 0, "", "" },
		objects: map[string][]byte{"x": []byte("mine")},
	}
	listener := httptest.NewServer(server)
	defer listener.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	stderr, err := os.Create(t.TempDir() + "/stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	defer func(before *os.File) { os.Stderr = before }(os.Stderr)
	os.Stderr = stderr

	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := OpenStore(t.Context(), "s3://bucket?region=us-east-1&use_path_style=true&ssetype=AES256&endpoint="+listener.URL, &StoreOptions{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for range 3 {
		if data, err := store.Read(t.Context(), "x"); err != nil || string(data) != "mine" {
			t.Fatalf("read %q, %v", data, err)
		}
	}
	if data, err := os.ReadFile(stderr.Name()); err != nil || len(data) > 0 {
		t.Errorf("standard error: %q, %v", data, err)
	}
	var line struct{ Level, Msg string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("the log is not one line of JSON: %v\n%s", err, &out)
	}
	const want = "storage client: Response has no supported checksum. Not validating response payload."
	if line.Level != "WARN" || line.Msg != want {
		t.Errorf("got %s %q, want WARN %q", line.Level, line.Msg, want)
	}
}
