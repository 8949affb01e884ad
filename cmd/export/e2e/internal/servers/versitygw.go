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
	// Addr is where it listens, host and port.
	Addr string
	// Dir is the folder behind it; each folder in it is a bucket.
	Dir string
}

// The gateway's one account.
const (
	s3AccessKey = "e2eaccess"
	s3SecretKey = "e2esecretkey"
)

// StartS3 starts a gateway of its own for the test.
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

// Bucket makes a bucket and gives its URL.
func (s *S3) Bucket(t testing.TB, name string) string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return s.URL(name, s.Addr)
}

// URL is the bucket's URL by way of addr: the gateway itself, or a proxy before
// it.
func (s *S3) URL(bucket, addr string) string {
	return "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=http://" + addr
}

// Env has the account's keys, as a child process takes them.
func (s *S3) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s3AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s3SecretKey,
		// Nothing of whoever runs the tests is to be read.
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// tool gives the path of a program of the tools module, built with that
// module's versions; Go caches it.
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
