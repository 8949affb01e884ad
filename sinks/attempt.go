package sinks

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// Attempt is how the last run of a portal ended, also one that published nothing.
// It is for people: no run goes by it. Two runs that end at once leave the record of
// one of them.
type Attempt struct {
	Version    int       `json:"version"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	// Exit is the exit code for this portal; Error is empty if there was none.
	Exit  int    `json:"exit"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Program and Holder are what ran, and where.
	Program string `json:"program"`
	Holder  string `json:"holder,omitempty"`
}

const attemptVersion = 1

// RecordAttempt stores how a run ended, in the place of an earlier record. If the
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
	return d.store.Put(ctx, d.attempt(), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// lastAttempt returns the record of the last run; nil if there is none that this
// program can read.
func (d *Dataset) lastAttempt(ctx context.Context) (*Attempt, error) {
	data, err := d.store.Read(ctx, d.attempt())
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a := new(Attempt)
	if err := json.Unmarshal(data, a); err != nil || a.Version != attemptVersion {
		return nil, nil
	}
	return a, nil
}
