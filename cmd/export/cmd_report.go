package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"b24export/pipeline"
	"b24export/sinks/durable"
)

func (p *program) reportCommand() *cobra.Command {
	var (
		r             reading
		snapshot, out string
	)
	cmd := &cobra.Command{
		Use: "report JOB",
		Example: `b24export report job.yaml > report.html
b24export report job.yaml    # at a terminal: writes acme-20261122T020000Z.html
b24export report job.yaml --only acme --snapshot 20261122T020000Z --out report.html`,
		Short: "Write an HTML page about a run.",
		Long: `The page covers the run that published a snapshot: changes by day, currency and
status; the ledger; rejects; the requests to the portal and their pace compared with
both of the portal's limits; totals by currency, payment system and age of what is
unpaid; and the last 30 snapshots. The page is self-contained: no script, no font, no
network. At a terminal it becomes a file named for the portal and the snapshot.`,
		Args: r.args(1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSnapshotName(snapshot); err != nil {
				return usagef(cmd, "--snapshot: %w", err)
			}
			return p.report(cmd.Context(), &r, args, snapshot, out)
		},
	}
	flags := cmd.Flags()
	r.addFlags(flags, "the `portal` to report on; required if the job has several")
	flags.StringVar(&snapshot, "snapshot", "", snapshotFlag)
	flags.StringVar(&out, "out", "", "write the page to this `file`; default: PORTAL-SNAPSHOT.html at a terminal, otherwise standard output")
	return cmd
}

func (p *program) report(ctx context.Context, from *reading, args []string, snapshot, out string) (err error) {
	job, data, err := p.openOne(ctx, from, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	m, err := data.snapshot(ctx, snapshot)
	if err != nil {
		return err
	}
	r, err := newReport(ctx, data, m)
	if err != nil {
		return err
	}
	for i := range job.spec.Portals {
		if one := &job.spec.Portals[i]; one.Name == data.portal && job.file != "" { // otherwise the limits are not known
			r.limitBy(one.EffectiveLimits())
		}
	}
	var page bytes.Buffer
	if err := r.page().Render(&page); err != nil {
		return err
	}
	if out == "" && p.stdout.isTerminal() {
		out = data.portal + "-" + string(m.Snapshot) + ".html" // nobody can read a page on a terminal
	}
	if out == "" {
		_, err = p.stdout.Write(page.Bytes())
		return err
	}
	// The existing page may be open in a browser.
	if err := durable.WriteFile(out, page.Bytes(), 0o644, true); err != nil {
		return fmt.Errorf("write %s: %w", printable(out), err)
	}
	if p.json {
		return p.stdout.line(struct {
			Portal   string              `json:"portal"`
			Snapshot pipeline.SnapshotID `json:"snapshot"`
			File     string              `json:"file"`
			Bytes    int                 `json:"bytes"`
		}{data.portal, m.Snapshot, out, page.Len()})
	}
	_, err = fmt.Fprintf(p.stdout, "wrote %s: snapshot %s of %s\n", out, m.Snapshot, data.portal)
	return err
}
