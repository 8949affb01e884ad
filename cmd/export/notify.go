package main

import (
	"context"
	"encoding/json"

	"b24export/jobs"
)

// notice is what a job's notify.url gets: the lines of run --json, in one
// object.
type notice struct {
	Program string        `json:"program"`
	Dataset string        `json:"dataset"`
	Job     string        `json:"job,omitempty"`
	Exit    int           `json:"exit"`
	Portals []outcomeLine `json:"portals"`
}

// notify sends the outcome of a run to the address in the job file. That it could not
// is a line of the log, and changes nothing else.
func (p *program) notify(ctx context.Context, job loadedJob, outcomes []jobs.Outcome) {
	if !jobs.WantsNotice(&job.spec.Notify, outcomes) {
		return
	}
	n := notice{Program: programName(), Dataset: job.spec.Name, Job: job.file, Exit: jobs.ExitOfAll(outcomes)}
	for i := range outcomes {
		n.Portals = append(n.Portals, lineOf(job, &outcomes[i]))
	}
	body, err := json.Marshal(n)
	if err == nil {
		err = jobs.Notify(ctx, &job.spec.Notify, body, n.Program, nil)
	}
	if err != nil {
		p.log.Warn("nobody was notified", "error", err)
	}
}
