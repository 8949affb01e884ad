package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"b24export/cmd/export/e2e/internal/procs"
)

// S3 is a running S3 gateway over a folder: versitygw, which honours
// create-only conditions on whole puts and on multipart ones.
type S3 struct {
	// Addr is its address, host and port.
	Addr string
	// Dir is the folder behind it; each folder in it is a bucket.
	Dir string
}

// The gateway's only account.
const (
	s3AccessKey = "e2eaccess"
	s3SecretKey = "e2esecretkey"
)

// StartS3 starts a gateway for the test.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	program := tool(t, "versitygw")
	s := &S3{Dir: t.TempDir()}
	s.Addr = listenOn(t, "versitygw", func(addr string) *procs.Process {
		cmd := exec.Command(program, "--port", addr, "--quiet", "posix", s.Dir)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3AccessKey, "ROOT_SECRET_KEY="+s3SecretKey)
		return procs.Start(t, "versitygw", cmd)
	})
	return s
}

// Bucket creates a bucket and returns its URL.
func (s *S3) Bucket(t testing.TB, name string) string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return s.URL(name, s.Addr)
}

// URL returns the bucket's URL at addr, which is the gateway itself or a proxy in front
// of it.
func (s *S3) URL(bucket, addr string) string {
	return "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=http://" + addr
}

// Env returns the account's keys for a child process.
func (s *S3) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s3AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s3SecretKey,
		// No configuration of the user who runs the tests must be read.
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// tool returns the path of a program of the tools module, built with that module's
// versions. Go caches it.
func tool(t testing.TB, name string) string {
	t.Helper()
	cmd := exec.Command("go", "tool", "-C", filepath.Join(moduleDir(t), "tools"), "-n", name)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, stderrOf(err))
	}
	return strings.TrimSpace(string(out))
}
