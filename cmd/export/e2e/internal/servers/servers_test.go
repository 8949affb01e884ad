package servers

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob"
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// TestBuckets checks what the sinks need of each server: it stores objects, and of
// several create-only puts one succeeds.
func TestBuckets(t *testing.T) {
	tests := []struct {
		name  string
		start func(t *testing.T) (url string, env []string)
	}{
		{"s3", func(t *testing.T) (string, []string) {
			s := StartS3(t)
			return s.Bucket(t, "bkt"), s.Env()
		}},
		{"gcs", func(t *testing.T) (string, []string) {
			g := StartGCS(t)
			return g.Bucket("bkt"), g.Env()
		}},
		{"azure", func(t *testing.T) (string, []string) {
			a := StartAzure(t)
			return a.Bucket(t, "bkt"), a.Env()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, env := tt.start(t)
			for _, kv := range env {
				key, value, _ := strings.Cut(kv, "=")
				t.Setenv(key, value)
			}
			bucket, err := blob.OpenBucket(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer bucket.Close()
			create := func(text string) error {
				return bucket.Upload(t.Context(), "a/b", strings.NewReader(text),
					&blob.WriterOptions{ContentType: "text/plain", IfNotExist: true})
			}
			if err := create("first"); err != nil {
				t.Fatalf("first create: %v", err)
			}
			// Azure has another code for a blob that exists.
			if err := create("second"); gcerrors.Code(err) != gcerrors.FailedPrecondition && gcerrors.Code(err) != gcerrors.AlreadyExists {
				t.Errorf("second create: got %v (%v), want a failed precondition", err, gcerrors.Code(err))
			}
			got, err := bucket.ReadAll(t.Context(), "a/b")
			if err != nil || string(got) != "first" {
				t.Errorf("read: got %q, %v, want %q", got, err, "first")
			}
		})
	}
}

// TestProxy checks that an answer passes the proxy, and that it can cut a connection.
func TestProxy(t *testing.T) {
	s := StartS3(t)
	p := StartProxy(t, s.Addr)
	get := func() error {
		resp, err := http.Get("http://" + p.Addr + "/") //nolint:noctx // ends with the proxy
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			return errors.New(resp.Status)
		}
		return nil
	}
	if err := get(); err != nil {
		t.Errorf("through the proxy: %v", err)
	}
	p.Add(t, Toxic{Name: "r", Type: "reset_peer", Stream: "downstream", Toxicity: 1})
	if err := get(); err == nil {
		t.Error("with every connection reset: got an answer")
	}
	p.Reset()
	p.Cut()
	if err := get(); err == nil {
		t.Error("while cut: got an answer")
	}
	p.Restore(t)
	if err := get(); err != nil {
		t.Errorf("restored: %v", err)
	}
}
