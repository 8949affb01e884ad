package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"b24export/pipeline"
	"b24export/sinks"
)

// statusLine is a portal of status --json.
type statusLine struct {
	Job    string `json:"job"`
	Portal string `json:"portal"`
	// Snapshot is the newest snapshot, with the counts of its manifest.
	Snapshot   pipeline.SnapshotID `json:"snapshot,omitempty"`
	FinishedAt *time.Time          `json:"finished_at,omitempty"`
	Rows       int64               `json:"rows"`
	Ledger     *pipeline.Ledger    `json:"ledger,omitempty"`
	// Attempt is the result of the last run, also of one that published nothing.
	Attempt    *sinks.Attempt `json:"attempt,omitempty"`
	Unfinished *unfinishedRun `json:"unfinished,omitempty"`
	// Backfill is the unfinished work of a backfill, which is stored apart from that of
	// nightly runs.
	Backfill *unfinishedRun `json:"unfinished_backfill,omitempty"`
	Lease    *leaseLine     `json:"lease,omitempty"`
}

// unfinishedRun is a snapshot that is not published yet.
type unfinishedRun struct {
	Snapshot  pipeline.SnapshotID `json:"snapshot"`
	Mode      pipeline.Mode       `json:"mode"`
	Range     string              `json:"range,omitempty"`
	Phase     pipeline.Phase      `json:"phase"`
	Done      pipeline.PaymentID  `json:"done"`
	Ledger    pipeline.Ledger     `json:"ledger"`
	WrittenAt time.Time           `json:"written_at"`
}

// leaseLine is the run that holds the lease.
type leaseLine struct {
	Holder string    `json:"holder"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

func (p *program) statusCommand() *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use: "status JOB…",
		Example: `b24export status job.yaml
b24export status --from s3://warehouse/bitrix24 --only acme`,
		Short: "Show each portal's newest snapshot, last run and unfinished work.",
		Long: `Shows each portal's newest snapshot, how its last run ended, how far unfinished work
has come, and which run holds the lease; and portals that the dataset has and the job
does not name. It reads the sink only, and changes nothing.`,
		Args: r.args(-1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := r.load(cmd.Context(), p, args)
			if err != nil {
				return err
			}
			err = p.eachPortal(cmd.Context(), loaded, r.only, func(job loadedJob, data *dataset) error {
				s, err := data.Status(cmd.Context())
				if err != nil {
					return err
				}
				line := statusOf(job.file, data.portal, &s)
				if p.json {
					return p.stdout.line(line)
				}
				return writeStatus(p.stdout, &line, time.Now())
			})
			if err != nil || len(r.only) > 0 {
				return err
			}
			return p.eachLeftOver(cmd.Context(), loaded)
		},
	}
	r.addFlags(cmd.Flags(), "show these `portals` only, comma-separated")
	return cmd
}

func statusOf(job, portal string, s *sinks.Status) statusLine {
	line := statusLine{Job: job, Portal: portal}
	if m := s.Newest; m != nil {
		line.Snapshot, line.FinishedAt, line.Rows, line.Ledger = m.Snapshot, &m.FinishedAt, m.Ledger.Rows(), &m.Ledger
	}
	line.Attempt = s.Attempt
	line.Unfinished, line.Backfill = unfinished(&s.Checkpoint), unfinished(&s.Backfill)
	if l := s.Lease; l != nil && !l.Ended {
		line.Lease = &leaseLine{l.Holder, l.Since, l.Until}
	}
	return line
}

// unfinished returns the counts of an unfinished run from its checkpoint, nil if cp is
// not of an unfinished run.
func unfinished(cp *pipeline.Checkpoint) *unfinishedRun {
	if !cp.Unfinished() {
		return nil
	}
	return &unfinishedRun{cp.Snapshot, cp.Mode, cp.Range, cp.Phase, cp.Done, cp.Ledger, cp.WrittenAt}
}

func writeStatus(w io.Writer, s *statusLine, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", s.Portal)
	if s.Snapshot == "" {
		b.WriteString("  snapshot    none yet\n")
	} else {
		fmt.Fprintf(&b, "  snapshot    %s, %s ago: %s", s.Snapshot, shortTime(now.Sub(*s.FinishedAt)), plural(s.Rows, "payment"))
		if s.Ledger.Rejected > 0 {
			fmt.Fprintf(&b, ", %s", plural(s.Ledger.Rejected, "reject"))
		}
		b.WriteString("\n")
	}
	if a := s.Attempt; a != nil {
		fmt.Fprintf(&b, "  last run    %s ago, exit code %d", shortTime(now.Sub(a.FinishedAt)), a.Exit)
		if a.Error != "" {
			first, _, _ := strings.Cut(a.Error, "\n")
			fmt.Fprintf(&b, ": %s", printable(first))
		}
		b.WriteString("\n")
		if a.Hint != "" {
			fmt.Fprintf(&b, "              hint: %s\n", printable(a.Hint))
		}
	}
	for _, u := range []*unfinishedRun{s.Unfinished, s.Backfill} {
		if u == nil {
			continue
		}
		what := string(u.Mode)
		if u.Range != "" {
			what += ", " + u.Range
		}
		fmt.Fprintf(&b, "  unfinished  %s (%s, %s), saved %s ago: %s listed, %s got, up to payment %s\n", u.Snapshot, printable(what), u.Phase,
			shortTime(now.Sub(u.WrittenAt)), grouped(u.Ledger.Listed), grouped(u.Ledger.Got), u.Done)
	}
	if l := s.Lease; l != nil {
		fmt.Fprintf(&b, "  at work     %s, for %s\n", printable(l.Holder), shortTime(now.Sub(l.Since)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
