package sinks

import (
	"context"
	"encoding/json"
	"time"
)

// Attempt is the result of the last run of a portal, also of a run that published
// nothing. It is for people: no run depends on it. If two runs end at the same time,
// the record of one of them remains.
type Attempt struct {
	Version    int       `json:"version"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	// Exit is the exit code for this portal. Error is empty if there was no error.
	Exit  int    `json:"exit"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Program and Holder are the program and its host and process.
	Program string `json:"program"`
	// Limits is the use of the portal's limits at the end of the run, as LimitsUsed
	// returns it. Status omits it.
	Limits json.RawMessage `json:"limits,omitempty"`
	Holder string          `json:"holder,omitempty"`
}

const attemptVersion = 1

// RecordAttempt stores the result of a run. It replaces an earlier record. If the
// program dies before it, the earlier record stays.
func (d *Dataset) RecordAttempt(ctx context.Context, a Attempt) error {
	if d.bad != nil {
		return d.bad
	}
	a.Version, a.Program = attemptVersion, d.opts.Program
	data, err := encodeJSON(a)
	if err != nil {
		return err
	}
	return d.store.Put(ctx, d.attempt(), whole(data))
}

// lastAttempt returns the record of the last run. It returns nil if there is none that
// this program can read.
func (d *Dataset) lastAttempt(ctx context.Context) (*Attempt, error) {
	data, err := d.store.Read(ctx, d.attempt())
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a := new(Attempt)
	if known := json.Unmarshal(data, a) == nil && a.Version == attemptVersion; !known {
		return nil, nil
	}
	return a, nil
}

// LimitsUsed returns the use of the portal's limits at the end of the last run, from
// its Attempt. It returns nil if that is not known.
func (d *Dataset) LimitsUsed(ctx context.Context) (json.RawMessage, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	a, err := d.lastAttempt(ctx)
	if err != nil || a == nil {
		return nil, err
	}
	return a.Limits, nil
}
