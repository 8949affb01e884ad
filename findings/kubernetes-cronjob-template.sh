#!/usr/bin/env bash
# Kubernetes v1.37.2 (Go module k8s.io/kubernetes): the API server's own defaulting and strategies for CronJob and Job.
# Behaviour: the API server accepts a CronJob whose jobTemplate carries a label or an annotation that no object may have.
# It checks the pod template's metadata, and not the job template's. Each night the controller makes a Job from it, which
# the same server refuses.
# Seen 2026-11-28: "label in jobTemplate: CronJob accepted, its Job refused", without a warning.
# Why it matters: `kubectl apply`, its server-side dry run and CI are green, and the job never runs; only events and the
# missing Jobs show it. Labels that come from outside (a portal's address) are the usual cause.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
)

// create does with an object what the API server does with a POST, and reports what it answers.
func create(resource string, strategy rest.RESTCreateStrategy, object, internal runtime.Object) (string, int) {
	ctx := request.WithRequestInfo(request.WithNamespace(context.Background(), "n"), &request.RequestInfo{
		IsResourceRequest: true, APIGroup: "batch", APIVersion: "v1", Resource: resource, Verb: "create",
	})
	legacyscheme.Scheme.Default(object)
	if err := legacyscheme.Scheme.Convert(object, internal, nil); err != nil {
		panic(err)
	}
	strategy.PrepareForCreate(ctx, internal)
	warnings := len(strategy.WarningsOnCreate(ctx, internal))
	if errs := strategy.Validate(ctx, internal); len(errs) > 0 {
		return "refused, " + errs[0].Field, warnings
	}
	return "accepted", warnings
}

func main() {
	bad := map[string]string{"portal": "https://portal.example"} // no label value may look like this
	badKey := map[string]string{"the portal": "x"}               // and no annotation key like this
	for _, c := range []struct {
		name                          string
		jobLabels, jobNotes, podLabel map[string]string
	}{
		{name: "nothing odd"},
		{name: "label in the pod template", podLabel: bad},
		{name: "label in jobTemplate", jobLabels: bad},
		{name: "annotation in jobTemplate", jobNotes: badKey},
	} {
		cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "export", Namespace: "n"}}
		cron.Spec.Schedule = "0 3 * * *"
		cron.Spec.JobTemplate.Labels, cron.Spec.JobTemplate.Annotations = c.jobLabels, c.jobNotes
		pod := &cron.Spec.JobTemplate.Spec.Template
		pod.Labels = c.podLabel
		pod.Spec = corev1.PodSpec{RestartPolicy: "Never", Containers: []corev1.Container{{Name: "c", Image: "i"}}}
		answer, warnings := create("cronjobs", cronjob.Strategy, cron, &batch.CronJob{})
		fmt.Printf("%s: CronJob %s, %d warnings\n", c.name, answer, warnings)
		if answer == "accepted" { // so the controller makes a Job of it when it is due
			made := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
				Name: "export-29930580", Namespace: "n", UID: "u",
				Labels: maps.Clone(cron.Spec.JobTemplate.Labels), Annotations: maps.Clone(cron.Spec.JobTemplate.Annotations),
			}, Spec: *cron.Spec.JobTemplate.Spec.DeepCopy()}
			answer, _ := create("jobs", job.Strategy, made, &batch.Job{})
			fmt.Printf("    its Job %s\n", answer)
		}
	}
}
END
export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
# Kubernetes names its own parts as v0.0.0; each stands for the release of the same number.
{
	go mod init template && go mod edit -require k8s.io/kubernetes@v1.37.2
	requires=$(go mod download -json k8s.io/kubernetes@v1.37.2 | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
	for part in $(sed -n 's,^\t\(k8s.io/[a-z-]*\) => ./staging/.*,\1,p' "$requires"); do
		go mod edit -replace "$part=$part@v0.37.2"
	done
	go build -o template .
} >log 2>&1 || { cat log >&2; exit 1; }
./template | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
nothing odd: CronJob accepted, 0 warnings
    its Job accepted
label in the pod template: CronJob refused, spec.jobTemplate.spec.template.labels, 0 warnings
label in jobTemplate: CronJob accepted, 0 warnings
    its Job refused, metadata.labels
annotation in jobTemplate: CronJob accepted, 0 warnings
    its Job refused, metadata.annotations
END
