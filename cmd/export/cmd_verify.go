package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
		r        reading
		snapshot string
		sample   int
		all      bool
	)
	cmd := &cobra.Command{
		Use: "verify JOB…",
		Example: `b24export verify job.yaml
b24export verify job.yaml --only acme --snapshot 20261122T020000Z
b24export verify job.yaml --all          # every retained snapshot
b24export verify job.yaml --sample 100   # and fetch 100 payments again`,
		Short: "Read snapshots back and check them against their manifests.",
		Long: `Reads every file of each portal's newest snapshot with a different Parquet reader
than the library that wrote it. It checks each file against the manifest: checksum,
size, columns, rows, order, unique ids, statistics, changes, totals. It checks the
manifest against its own checksum and against the previous snapshot. If something
differs, it prints the file and the difference and exits with code 1.

With --all it verifies every retained snapshot, oldest first. A file that no manifest
names is not part of the dataset; prune --dry-run lists such files.

With --sample N it also fetches N random payments of the newest snapshot from the
portal again and compares them with their rows. A payment whose order was saved after
the row was read counts as changed since. A payment that the portal no longer returns
counts as refused. Any other difference makes the exit code 1.`,
		Args: r.args(-1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSnapshotName(snapshot); err != nil {
				return usagef(cmd, "--snapshot: %w", err)
			}
			if snapshot != "" && all {
				return usagef(cmd, "--snapshot and --all: say one of them")
			}
			if sample < 0 || sample > maxSample {
				return usagef(cmd, "--sample %d: must be from 0 to %d", sample, maxSample)
			}
			load := func() ([]loadedJob, error) { return r.load(cmd.Context(), p, args) }
			if sample > 0 {
				if r.from != "" {
					return usagef(cmd, "--sample needs a job file: it asks the portal")
				}
				load = func() ([]loadedJob, error) { return p.load(cmd, args) }
			}
			loaded, err := load()
			if err != nil {
				return err
			}
			failed := false
			err = p.eachPortal(cmd.Context(), loaded, r.only, func(job loadedJob, data *dataset) error {
				ids, err := data.published(cmd.Context())
				switch {
				case err != nil:
					return err
				case !all:
					id, err := data.find(cmd.Context(), snapshot)
					if err != nil {
						return err
					}
					ids = []pipeline.SnapshotID{id}
				}
				var newest *pipeline.Manifest // nil if anything is wrong with it
				for _, id := range ids {
					v, err := data.Inspect(cmd.Context(), id)
					m, found := v.Manifest, v.Differences
					if all && errors.Is(err, fs.ErrNotExist) {
						continue // it was pruned in the meantime
					}
					if err == nil {
						err = p.showVerified(job, data.portal, id, &v)
					}
					if err != nil {
						return err
					}
					if newest = m; len(found) > 0 {
						newest, failed = nil, true
					}
				}
				if wrong, err := p.verifyRelated(cmd.Context(), job, data); err != nil {
					return err
				} else if wrong {
					failed = true
				}
				if sample == 0 || newest == nil {
					return nil
				}
				wrong, err := p.recheck(cmd.Context(), job, data, newest, sample)
				failed = failed || wrong
				return err
			})
			if failed {
				if err != nil {
					p.complain(err, codeOf(err))
				}
				err = exitCode(jobs.ExitFailed)
			}
			return err
		},
	}
	r.addFlags(cmd.Flags(), "verify these `portals` only, comma-separated")
	cmd.Flags().BoolVar(&all, "all", false, "verify every retained snapshot, not only the newest")
	cmd.Flags().IntVar(&sample, "sample", 0, "also fetch this number of payments from the portal again and compare them")
	cmd.Flags().StringVar(&snapshot, "snapshot", "", snapshotFlag)
	return cmd
}

// verifyRelated reads the related tables back, and prints those that do not match their
// descriptions. It prints nothing for a dataset without related tables.
func (p *program) verifyRelated(ctx context.Context, job loadedJob, data *dataset) (wrong bool, err error) {
	found, err := data.VerifyRelated(ctx)
	if err != nil {
		return false, err
	}
	tables, err := data.RelatedTables(ctx)
	if errors.Is(err, sinks.ErrDamaged) {
		err = nil // found reports the error
	}
	if err != nil || len(tables)+len(found) == 0 {
		return false, err
	}
	if p.json {
		return len(found) > 0, p.stdout.line(struct {
			Job         string             `json:"job"`
			Portal      string             `json:"portal"`
			Related     int                `json:"related"`
			OK          bool               `json:"ok"`
			Differences []sinks.Difference `json:"differences"`
		}{job.file, data.portal, len(tables), len(found) == 0, append([]sinks.Difference{}, found...)})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(p.stdout, "%s: %s as described\n", data.portal, plural(int64(len(tables)), "related table"))
		return false, err
	}
	fmt.Fprintf(p.stdout, "%s: related tables are not as described:\n", data.portal)
	for _, d := range found {
		if _, err := fmt.Fprintf(p.stdout, "  %s\n", printable(d.String())); err != nil {
			return true, err
		}
	}
	return true, nil
}

// showVerified prints the result for a snapshot.
func (p *program) showVerified(job loadedJob, portal string, id pipeline.SnapshotID, v *sinks.Inspection) error {
	m, found := v.Manifest, v.Differences
	var rows, files int64
	if m != nil {
		rows, files = m.Ledger.Rows(), int64(len(m.Files))
	}
	if p.json {
		return p.stdout.line(struct {
			Job         string              `json:"job"`
			Portal      string              `json:"portal"`
			Snapshot    pipeline.SnapshotID `json:"snapshot"`
			Rows        int64               `json:"rows"`
			OK          bool                `json:"ok"`
			Differences []sinks.Difference  `json:"differences"`
			LargeSums   int64               `json:"large_sums,omitempty"`
		}{job.file, portal, id, rows, len(found) == 0, append([]sinks.Difference{}, found...), v.LargeSums})
	}
	if v.LargeSums > 0 {
		fmt.Fprintf(p.stdout, "%s: %s of 549755813888 (2^39) or more: portals send sums as floats, so do not trust the fourth digit of these\n",
			portal, plural(v.LargeSums, "sum"))
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(p.stdout, "%s: snapshot %s is as its manifest says: %s in %s\n",
			portal, id, plural(rows, "payment"), plural(files, "file"))
		return err
	}
	fmt.Fprintf(p.stdout, "%s: snapshot %s is not as its manifest says:\n", portal, id)
	for _, d := range found {
		if _, err := fmt.Fprintf(p.stdout, "  %s\n", printable(d.String())); err != nil {
			return err
		}
	}
	return nil
}

// maxSample limits the rows that --sample keeps in memory and fetches from the portal.
const maxSample = 100_000

// shownDifferences is the maximum number of payments of a sample that are printed
// individually.
const shownDifferences = 20

// recheck fetches a sample of the snapshot's payments again, and prints the result.
// wrong reports whether a row differs without a reason.
func (p *program) recheck(ctx context.Context, job loadedJob, data *dataset, m *pipeline.Manifest, n int) (wrong bool, err error) {
	rows, err := drawRows(data.ReadPayments(ctx, m, sinks.Above(0)), n)
	if err != nil {
		return false, err
	}
	list, err := jobs.Recheck(ctx, job.spec, data.portal, rows, &jobs.RunOptions{Program: programName(), Log: p.log, Cache: p.cacheFolder()})
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
	fmt.Fprintf(p.stdout, "%s: of %s fetched again, %s equal, %s changed since, %s refused, %s different\n", m.Portal, plural(int64(len(list)), "payment"),
		grouped(count[jobs.Equal]), grouped(count[jobs.ChangedSince]), grouped(count[jobs.Refused]), grouped(count[jobs.Differs]))
	for _, r := range shown {
		_, err = fmt.Fprintf(p.stdout, "  payment %s, read at %s: %s %s\n", r.ID, r.ReadAt.UTC().Format(time.RFC3339), strings.Join(r.Columns, ", "), printable(r.Detail))
	}
	return len(different) > 0, err
}

// drawRows returns n random rows, or all rows if there are fewer.
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
