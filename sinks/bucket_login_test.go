package sinks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"b24export/sinks/address"
)

// Google refuses a refused login again, so there is no retry. There is one if its
// servers could not answer.
func TestRefusedLogin(t *testing.T) {
	for _, tt := range []struct {
		status    int
		temporary bool
	}{
		{http.StatusBadRequest, false}, // invalid_grant: the key was deleted
		{http.StatusUnauthorized, false},
		{http.StatusTooManyRequests, true},
		{http.StatusInternalServerError, true},
	} {
		err := fmt.Errorf("list: %w", &url.Error{Op: "Get", URL: "https://storage.googleapis.com/", Err: &oauth2.RetrieveError{
			Response: &http.Response{StatusCode: tt.status, Status: http.StatusText(tt.status)}, ErrorCode: "invalid_grant",
		}})
		if got := temporary(t.Context(), err); got != tt.temporary {
			t.Errorf("%d: temporary %v, want %v", tt.status, got, tt.temporary)
		}
	}
}

// Without credentials, or with an invalid key file, opening a bucket fails at once and
// says what to do, without quoting the key.
func TestGoogleKeyFile(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	const marked = "markedkey4711"
	file := func(key string) string {
		data, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "b@c", "private_key": key})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, tt := range []struct{ name, text, query, want string }{
		{"no file", "", "", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"no JSON", "x" + marked, "", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"no key", file(""), "", "private_key"},
		{"no PEM", file(marked), "", "private_key"},
		{"PEM of something else", file(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(marked)}))), "", "private_key"},
		{"good", file(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), "", ""},
		{"not needed", "x" + marked, "?anonymous=true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.json")
			if tt.text != "" {
				if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("STORAGE_EMULATOR_HOST", "")
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
			at, err := address.Parse("gs://warehouse" + tt.query)
			if err != nil {
				t.Fatal(err)
			}
			err = checkGoogleLogin(t.Context(), at)
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), marked)) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// A store without credentials ends the first operation at once.
func TestNoCredentials(t *testing.T) {
	for _, url := range []string{"s3://bucket?region=us-east-1&use_path_style=true&endpoint=http://127.0.0.1:9", "azblob://container?storage_account=acme"} {
		t.Run(url[:2], func(t *testing.T) {
			for _, name := range []string{
				"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
				"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
				"AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID",
			} {
				t.Setenv(name, "")
			}
			t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
			s, err := OpenStore(t.Context(), url, &StoreOptions{Patience: 3 * time.Second})
			if err == nil {
				defer s.Close()
				err = s.Create(t.Context(), "x", []byte("mine"))
			}
			if !errors.Is(err, ErrNoLogin) || errors.Is(err, ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		})
	}
}
