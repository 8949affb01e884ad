package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Lines that the clients of clouds write to standard error are lines of the program's
// log: as JSON if the flags ask for it, and without secrets.
func TestLogOfLibraries(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	secret := base64.StdEncoding.EncodeToString([]byte(markedSecret))
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		name, from string
		env        []string
		want       string // the output of the client
	}{
		{
			"AWS", "s3://bucket?region=us-east-1",
			[]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + server.URL, "AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none},
			"falling back to IMDSv1",
		},
		{
			"Azure", "azblob://container?storage_account=acme&protocol=http&localemu=true&domain=" + host,
			[]string{"AZURE_SDK_GO_LOGGING=all", "AZURE_STORAGE_ACCOUNT=acme", "AZURE_STORAGE_KEY=" + secret},
			"RESPONSE Status: 404",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("b24export", "status", "--from", tt.from, "--name", "payments", "--log-format", "json")
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, tt.env...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil {
				t.Error("no error")
			}
			ended, logged := false, false
			for line := range strings.Lines(stderr.String()) {
				// The error with which the program ends has its own format. A line of a
				// library can come after it, because it goes through a pipe.
				ended = ended || strings.HasPrefix(line, "b24export: ")
				if ended && !strings.HasPrefix(line, "{") {
					continue
				}
				var record struct{ Level, Msg string }
				if err := json.Unmarshal([]byte(line), &record); err != nil {
					t.Errorf("not JSON: %s", line)
				}
				logged = logged || strings.Contains(record.Msg, tt.want)
			}
			if !ended {
				t.Errorf("no error is printed:\n%s", &stderr)
			}
			if !logged {
				t.Errorf("no line of the log has %q:\n%s", tt.want, &stderr)
			}
			if strings.Contains(stderr.String(), secret) {
				t.Error("the secret is in the log")
			}
		})
	}
}
