package main

import (
	"context"
	"encoding/json"

	"b24export/jobs"
)

// notice is the body of a POST to a job's notify.url: the lines of run --json in one
// object.
type notice struct {
	Program string        `json:"program"`
	Dataset string        `json:"dataset"`
	Job     string        `json:"job,omitempty"`
	Exit    int           `json:"exit"`
	Portals []outcomeLine `json:"portals"`
}

// notify sends the result of a run to the address in the job file. A failure only logs
// a line.
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
