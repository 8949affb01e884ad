package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func deployed(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "..", "deploy"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestKubernetesManifests decodes the manifests with the API's own types: a field
// that there is not, or of another type, is an error.
func TestKubernetesManifests(t *testing.T) {
	for _, name := range []string{"nightly.yaml", "fleet.yaml"} {
		found := 0
		for doc := range bytes.SplitSeq(deployed(t, "kubernetes", name), []byte("\n---\n")) {
			var kind struct{ Kind string }
			if err := yaml.Unmarshal(doc, &kind); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var job batchv1.JobSpec
			switch kind.Kind {
			case "ConfigMap":
				var c corev1.ConfigMap
				if err := yaml.UnmarshalStrict(doc, &c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			case "CronJob":
				var c batchv1.CronJob
				if err := yaml.UnmarshalStrict(doc, &c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
					t.Errorf("%s: concurrencyPolicy is %q", name, c.Spec.ConcurrencyPolicy)
				}
				job = c.Spec.JobTemplate.Spec
			case "Job":
				var j batchv1.Job
				if err := yaml.UnmarshalStrict(doc, &j); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				job = j.Spec
			default:
				t.Errorf("%s has a %s", name, kind.Kind)
				continue
			}
			found++
			pod := job.Template.Spec
			if pod.RestartPolicy != corev1.RestartPolicyNever || job.PodFailurePolicy == nil {
				t.Errorf("%s: a podFailurePolicy needs restartPolicy Never; it is %q", name, pod.RestartPolicy)
				continue
			}
			final := job.PodFailurePolicy.Rules[0].OnExitCodes
			if final == nil || len(final.Values) != 2 || final.Values[0] != 2 || final.Values[1] != 4 || *final.ContainerName != pod.Containers[0].Name {
				t.Errorf("%s: exit codes that end the job: %+v", name, final)
			}
		}
		if found != 1 {
			t.Errorf("%s has %d jobs, want 1", name, found)
		}
	}
}

// TestSystemdUnits has systemd verify the units, with the program in its place.
func TestSystemdUnits(t *testing.T) {
	if err := build(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var paths []string
	for _, kind := range []string{"service", "timer"} {
		unit := strings.ReplaceAll(string(deployed(t, "systemd", "b24export@."+kind)), "/usr/local/bin/b24export", bin)
		path := filepath.Join(dir, "b24export@nightly."+kind)
		if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, paths...)...).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte(dir)) || bytes.Contains(out, []byte("b24export@")) {
		t.Errorf("%v\n%s", err, out)
	}
}
