package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"b24export/jobs"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

func (p *program) verifyCommand() *cobra.Command {
	var (
		only     []string
		snapshot string
		sample   int
	)
	cmd := &cobra.Command{
		Use: "verify JOB…",
		Example: `b24export verify job.yaml
b24export verify job.yaml --only acme --snapshot 20261122T020000Z
b24export verify job.yaml --sample 100   # and get a hundred payments anew`,
		Short: "Read a snapshot back and hold it against its manifest.",
		Long: `Reads every file of each portal's newest snapshot with another Parquet reader than
the library that wrote it, and holds it against the manifest: checksum, size,
columns, rows, order, unique ids, statistics, changes, totals. A difference is
exit code 1.

With --sample, so many payments, drawn by lot, are got from the portal anew and
compared with their rows. One whose order was saved after the row was read counts as
changed since; one that cannot be got any more, as refused; any other difference is
exit code 1.`,
		Args: atLeastOne("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := pipeline.ParseSnapshotID(snapshot); snapshot != "" && err != nil {
				return usagef(cmd, "--snapshot: %w", err)
			}
			if sample < 0 || sample > maxSample {
				return usagef(cmd, "--sample %d: must be from 0 to %d", sample, maxSample)
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
				if err := p.showVerified(job, m, found); err != nil || sample == 0 || len(found) > 0 {
					return err
				}
				wrong, err := p.recheck(cmd.Context(), job, data, m, sample)
				failed = failed || wrong
				return err
			})
			if err == nil && failed {
				err = exitCode(jobs.ExitFailed)
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "verify these `portals` only; names between commas")
	cmd.Flags().IntVar(&sample, "sample", 0, "also get so many payments anew from the portal and compare")
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

// maxSample bounds what --sample holds in memory, and asks of the portal.
const maxSample = 100_000

// shownDifferences is how many payments of a sample are told one by one.
const shownDifferences = 20

// recheck gets a sample of the snapshot's payments anew, and tells what came of
// it; wrong is whether a row differs without a reason.
func (p *program) recheck(ctx context.Context, job loadedJob, data *dataset, m *pipeline.Manifest, n int) (wrong bool, err error) {
	rows, err := drawRows(data.ReadPayments(ctx, m, 0), n)
	if err != nil {
		return false, err
	}
	list, err := jobs.Recheck(ctx, job.spec, data.portal, rows, &jobs.RunOptions{Program: programName(), Log: p.log})
	if err != nil {
		return false, err
	}
	count := map[jobs.Verdict]int64{}
	var different []jobs.Rechecked
	for _, r := range list {
		count[r.Verdict]++
		if r.Verdict == jobs.Differs {
			different = append(different, r)
		}
	}
	shown := different[:min(len(different), shownDifferences)]
	if p.json {
		return len(different) > 0, p.stdout.line(struct {
			Job         string                 `json:"job"`
			Portal      string                 `json:"portal"`
			Snapshot    pipeline.SnapshotID    `json:"snapshot"`
			Sample      map[jobs.Verdict]int64 `json:"sample"`
			Differences []jobs.Rechecked       `json:"differences"`
		}{job.file, m.Portal, m.Snapshot, count, append([]jobs.Rechecked{}, shown...)})
	}
	fmt.Fprintf(p.stdout, "%s: of %s got anew, %s equal, %s changed since, %s refused, %s different\n", m.Portal, plural(int64(len(list)), "payment"),
		grouped(count[jobs.Equal]), grouped(count[jobs.ChangedSince]), grouped(count[jobs.Refused]), grouped(count[jobs.Differs]))
	for _, r := range shown {
		_, err = fmt.Fprintf(p.stdout, "  payment %s, read at %s: %s %s\n", r.ID, r.ReadAt.UTC().Format(time.RFC3339), strings.Join(r.Columns, ", "), printable(r.Detail))
	}
	return len(different) > 0, err
}

// drawRows draws n rows by lot, or takes all if there are no more.
func drawRows(rows iter.Seq2[*schemas.Payment, error], n int) ([]schemas.Payment, error) {
	var drawn []schemas.Payment
	seen := 0
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		seen++
		if len(drawn) < n {
			drawn = append(drawn, *row)
		} else if i := rand.IntN(seen); i < n {
			drawn[i] = *row
		}
	}
	return drawn, nil
}
