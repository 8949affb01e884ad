package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
)

// manifests are the files of deploy/kubernetes.
var manifests = []string{"nightly.yaml", "fleet.yaml"}

// The API server's own code decodes the manifests strictly, fills in its defaults, and
// validates them.
func TestKubernetesManifests(t *testing.T) {
	for _, name := range manifests {
		objects, err := decode(readFile(t, "deploy", "kubernetes", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := validate(objects); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		job := cronJob(t, objects)
		if job.Spec.ConcurrencyPolicy != batch.ForbidConcurrent {
			t.Errorf("%s: concurrencyPolicy is %q", name, job.Spec.ConcurrencyPolicy)
		}
	}
}

// TestKubernetesRefuses shows that the validation finds faults.
func TestKubernetesRefuses(t *testing.T) {
	good := readFile(t, "deploy", "kubernetes", "nightly.yaml")
	for _, tt := range []struct{ from, to, want string }{
		{"memory: 512Mi", "memory: 512Mib", "quantities must match"},
		{"memory: 512Mi", "memory: 128Mi", "must be less than or equal to memory limit"},
		{"kind: CronJob\nmetadata:\n  name: b24export", "kind: CronJob\nmetadata:\n  name: B24export", "lowercase RFC 1123"},
		{`schedule: "0 2 * * *"`, `schedule: "0 25 * * *"`, "spec.schedule"},
		{"timeZone: Etc/UTC", "timeZone: Etc/Utopia", "spec.timeZone"},
		{"restartPolicy: Never", "restartPolicy: OnFailure", "only \"Never\" is supported when podFailurePolicy is specified"},
		{"containerName: b24export", "containerName: export", "must be one of the container or initContainer names"},
		{"values: [2, 4]", "values: [4, 2]", "must be ordered"},
		{"values: [2, 4]", "values: [0, 2]", "must not be 0 for the In operator"},
		{"name: tmp\n              emptyDir", "name: temp\n              emptyDir", "volumeMounts[1].name: Not found"},
		{"backoffLimit: 6", "backoffLimits: 6", "unknown field"},
	} {
		bad := strings.Replace(good, tt.from, tt.to, 1)
		if bad == good {
			t.Errorf("nightly.yaml does not have %q", tt.from)
			continue
		}
		objects, err := decode(bad)
		if err == nil {
			err = validate(objects)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with %q: got %v, want %s", tt.to, err, tt.want)
		}
	}
}

// decode reads the objects of a manifest as the API server does. An unknown field is an
// error.
func decode(manifest string) ([]runtime.Object, error) {
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	var objects []runtime.Object
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		object, err := runtime.Decode(codecs.UniversalDecoder(), []byte(doc))
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// validate runs the validation of each object's kind.
func validate(objects []runtime.Object) error {
	var errs field.ErrorList
	for _, object := range objects {
		switch o := object.(type) {
		case *core.ConfigMap:
			o.Namespace = "default"
			errs = append(errs, corevalidation.ValidateConfigMap(o)...)
		case *batch.CronJob:
			o.Namespace = "default"
			options := podutil.GetValidationOptionsFromPodTemplate(&o.Spec.JobTemplate.Spec.Template, nil)
			errs = append(errs, batchvalidation.ValidateCronJobCreate(o, options)...)
		default:
			return fmt.Errorf("a %T, which no test knows", object)
		}
	}
	if len(errs) > 0 {
		return errs.ToAggregate()
	}
	return nil
}

// cronJob returns the only CronJob among the objects.
func cronJob(t *testing.T, objects []runtime.Object) *batch.CronJob {
	t.Helper()
	var found []*batch.CronJob
	for _, object := range objects {
		if job, ok := object.(*batch.CronJob); ok {
			found = append(found, job)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d CronJobs, want 1", len(found))
	}
	return found[0]
}

// kubernetesAfter returns what a Job does after its container exits with code.
func kubernetesAfter(t *testing.T, manifest string, code int) verdict {
	t.Helper()
	objects, err := decode(readFile(t, "deploy", "kubernetes", manifest))
	if err != nil {
		t.Fatal(err)
	}
	spec := cronJob(t, objects).Spec.JobTemplate.Spec
	if code == 0 {
		return succeeds // no setting can count another exit code as success
	}
	for _, rule := range spec.PodFailurePolicy.Rules {
		if rule.OnExitCodes == nil {
			continue
		}
		in := slices.Contains(rule.OnExitCodes.Values, int32(code))
		if in != (rule.OnExitCodes.Operator == batch.PodFailurePolicyOnExitCodesOpIn) {
			continue
		}
		switch rule.Action {
		case batch.PodFailurePolicyActionFailJob, batch.PodFailurePolicyActionFailIndex:
			return fails
		default:
			return triesAgain
		}
	}
	if spec.BackoffLimitPerIndex != nil && *spec.BackoffLimitPerIndex > 0 || spec.BackoffLimitPerIndex == nil && *spec.BackoffLimit > 0 {
		return triesAgain
	}
	return fails
}

// kubernetesCommand returns the arguments of the program.
func kubernetesCommand(t *testing.T, manifest string) []string {
	t.Helper()
	objects, err := decode(readFile(t, "deploy", "kubernetes", manifest))
	if err != nil {
		t.Fatal(err)
	}
	return cronJob(t, objects).Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args
}
