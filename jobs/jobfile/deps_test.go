package jobfile

import (
	"os/exec"
	"strings"
	"testing"
)

// Package jobfile needs no cloud: neither the package nor its tests depend on a storage,
// or on an SDK.
func TestNoCloudIsLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("go list names %d packages, want more than 100: %q", len(deps), deps)
	}
	for _, dep := range deps {
		if dep == "b24export/sinks/durable" || dep == "b24export/sinks/address" {
			continue // system calls and parsing only
		}
		for _, prefix := range []string{
			"b24export/sinks", "b24export/jobs/source", "gocloud.dev/",
			"cloud.google.com/", "google.golang.org/", "github.com/aws/", "github.com/Azure/",
		} {
			if strings.HasPrefix(dep+"/", strings.TrimSuffix(prefix, "/")+"/") {
				t.Errorf("the job file depends on %s", dep)
			}
		}
	}
}
