package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"b24export/jobs"
	"b24export/pipeline"
	"b24export/sinks"
)

func (p *program) verifyCommand() *cobra.Command {
	var (
		only     []string
		snapshot string
	)
	cmd := &cobra.Command{
		Use: "verify JOB…",
		Example: `b24export verify job.yaml
b24export verify job.yaml --only acme --snapshot 20261122T020000Z`,
		Short: "Read a snapshot back and hold it against its manifest.",
		Long: `Reads every file of each portal's newest snapshot with another Parquet reader than
the library that wrote it, and holds it against the manifest: checksum, size,
columns, rows, order, unique ids, statistics, changes, totals. A difference is
exit code 1.`,
		Args: atLeastOne("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := pipeline.ParseSnapshotID(snapshot); snapshot != "" && err != nil {
				return usagef(cmd, "--snapshot: %w", err)
			}
			loaded, err := p.load(cmd, args)
			if err != nil {
				return err
			}
			failed := false
			err = p.eachPortal(cmd.Context(), loaded, only, func(job loadedJob, data *dataset) error {
				m, err := data.snapshot(cmd.Context(), snapshot)
				if err != nil {
					return err
				}
				found, err := data.Verify(cmd.Context(), m)
				if err != nil {
					return err
				}
				failed = failed || len(found) > 0
				return p.showVerified(job, m, found)
			})
			if err == nil && failed {
				err = exitCode(jobs.ExitFailed)
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "verify these `portals` only; names between commas")
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "this snapshot, such as 20261122T020000Z, instead of the newest; an `id`")
	return cmd
}

func (p *program) showVerified(job loadedJob, m *pipeline.Manifest, found []sinks.Difference) error {
	if p.json {
		return p.stdout.line(struct {
			Job         string              `json:"job"`
			Portal      string              `json:"portal"`
			Snapshot    pipeline.SnapshotID `json:"snapshot"`
			Rows        int64               `json:"rows"`
			OK          bool                `json:"ok"`
			Differences []sinks.Difference  `json:"differences"`
		}{job.file, m.Portal, m.Snapshot, m.Ledger.Rows(), len(found) == 0, append([]sinks.Difference{}, found...)})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(p.stdout, "%s: snapshot %s is as its manifest says: %s in %s\n",
			m.Portal, m.Snapshot, plural(m.Ledger.Rows(), "payment"), plural(int64(len(m.Files)), "file"))
		return err
	}
	fmt.Fprintf(p.stdout, "%s: snapshot %s is not as its manifest says:\n", m.Portal, m.Snapshot)
	for _, d := range found {
		if _, err := fmt.Fprintf(p.stdout, "  %s\n", printable(d.String())); err != nil {
			return err
		}
	}
	return nil
}
