package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"b24export/sinks"
)

func (p *program) forgetCommand() *cobra.Command {
	var (
		r             reading
		dryRun, force bool
	)
	cmd := &cobra.Command{
		Use: "forget PORTAL JOB",
		Example: `b24export forget oldshop job.yaml --dry-run
b24export forget oldshop --from s3://warehouse/bitrix24`,
		Short: "Delete a portal's dataset: tables, snapshots, manifests and unfinished work.",
		Long: `Deletes all that the sink has of a portal, and prints the paths. A portal that is no
longer in any job still has its table in every pattern that readers use, such as
payments/*/*.parquet. The current table goes first, then the snapshots. After a crash,
the same command finishes the work, and until then no run of the portal begins. A
portal that the job file names is refused without --force: the next run would export
it again, from the beginning.`,
		Args: func(cmd *cobra.Command, args []string) error { return moveArgs(cmd, &r, args, "PORTAL") },
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.forget(cmd.Context(), &r, args, dryRun, force)
		},
	}
	r.addSource(cmd.Flags())
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be deleted")
	cmd.Flags().BoolVar(&force, "force", false, "forget a portal that the job file names, too")
	return cmd
}

func (p *program) renameCommand() *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use: "rename PORTAL NEW JOB",
		Example: `b24export rename acme acme-eu job.yaml
b24export rename acme acme-eu --from s3://warehouse/bitrix24`,
		Short: "Rename a portal's dataset.",
		Long: `Moves a portal's tables, snapshots, manifests and unfinished work to the paths of
portal=NEW. Change the name in the job file too, before the
next run: under another name, a run would export the portal again. Readers of the
current table never see the portal twice. After a crash, the same command finishes the
work, and until then no run of either portal begins.`,
		Args: func(cmd *cobra.Command, args []string) error { return moveArgs(cmd, &r, args, "PORTAL", "NEW") },
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.rename(cmd.Context(), &r, args)
		},
	}
	r.addSource(cmd.Flags())
	return cmd
}

// moveArgs checks the arguments of forget and rename: names, and a job file unless
// --from is set.
func moveArgs(cmd *cobra.Command, r *reading, args []string, names ...string) error {
	if len(args) < len(names) {
		return usagef(cmd, "%s is missing", names[len(args)])
	}
	for _, name := range args[:len(names)] {
		if err := sinks.CheckPortalName(name); err != nil {
			return usagef(cmd, "%w", err)
		}
	}
	return r.args(1, "a job file")(cmd, args[len(names):])
}

func (p *program) forget(ctx context.Context, from *reading, args []string, dryRun, force bool) error {
	job, err := from.loadOne(ctx, p, args[1:])
	if err != nil {
		return err
	}
	portal := args[0]
	if !force && !dryRun && job.file != "" && slices.Contains(slices.Collect(portalNames(job.spec, nil)), portal) {
		return &startError{fmt.Errorf("%s names portal %s, and the next run would export it again: remove it there first, or repeat with --force", job.file, portal)}
	}
	data, err := p.openData(ctx, job.spec, portal)
	if err != nil {
		return err
	}
	paths, err := data.Forget(ctx, dryRun)
	if err = errors.Join(err, data.close()); err != nil {
		return asStartError(err)
	}
	for _, path := range paths {
		if p.json {
			err = p.stdout.line(struct {
				Portal  string `json:"portal"`
				Path    string `json:"path"`
				Deleted bool   `json:"deleted"`
			}{portal, path, !dryRun})
		} else {
			_, err = fmt.Fprintln(p.stdout, path)
		}
		if err != nil {
			return err
		}
	}
	if !p.json {
		verb := "deleted"
		if dryRun {
			verb = "would be deleted"
		}
		fmt.Fprintf(p.stderr, "%s %s\n", plural(int64(len(paths)), "object"), verb)
	}
	return nil
}

func (p *program) rename(ctx context.Context, from *reading, args []string) error {
	job, err := from.loadOne(ctx, p, args[2:])
	if err != nil {
		return err
	}
	portal, name := args[0], args[1]
	old, err := p.openData(ctx, job.spec, portal)
	if err != nil {
		return err
	}
	defer func() { _ = old.close() }() // its effects are durable already
	renamed, err := p.openData(ctx, job.spec, name)
	if err != nil {
		return err
	}
	defer func() { _ = renamed.close() }()
	if err := sinks.Rename(ctx, old.Dataset, renamed.Dataset); err != nil {
		return asStartError(err)
	}
	if p.json {
		return p.stdout.line(struct {
			Portal string `json:"portal"`
			Name   string `json:"name"`
		}{portal, name})
	}
	fmt.Fprintf(p.stdout, "renamed portal %s to %s\n", portal, name)
	if job.file != "" && slices.Contains(slices.Collect(portalNames(job.spec, nil)), portal) {
		fmt.Fprintf(p.stderr, "%s still names portal %s: write name: %s there before the next run\n", job.file, portal, name)
	}
	return nil
}

// asStartError converts an error to a startError if the dataset does not exist, or if
// the new name is taken.
func asStartError(err error) error {
	if errors.Is(err, sinks.ErrNothing) || errors.Is(err, sinks.ErrTaken) {
		return &startError{err}
	}
	return err
}

// tellLeftOvers prints to standard error the portals that a dataset has and its job
// does not name. With --json it prints a line for each of them to standard output.
func (p *program) tellLeftOvers(ctx context.Context, job loadedJob) error {
	if job.file == "" {
		return nil // the portals come from the dataset
	}
	store, err := sinks.OpenStore(ctx, job.spec.Sink.URL, nil)
	if err != nil {
		return err
	}
	left, err := sinks.LeftOvers(ctx, store, job.spec.Name, slices.Collect(portalNames(job.spec, nil)))
	if err = errors.Join(err, store.Close()); err != nil {
		return err
	}
	for _, l := range left {
		if p.json {
			err = p.stdout.line(struct {
				Job      string        `json:"job"`
				Portal   string        `json:"portal"`
				LeftOver bool          `json:"left_over"`
				Moving   *sinks.Moving `json:"moving,omitempty"`
			}{job.file, l.Portal, true, l.Moving})
		} else {
			_, err = fmt.Fprintf(p.stderr, "warning: %s\n", leftOverText(job, &l))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachLeftOver calls tellLeftOvers for each job.
func (p *program) eachLeftOver(ctx context.Context, loaded []loadedJob) error {
	for _, job := range loaded {
		if err := p.tellLeftOvers(ctx, job); err != nil {
			return err
		}
	}
	return nil
}

// leftOverText returns what a left-over portal means for readers, and what to do.
func leftOverText(job loadedJob, l *sinks.LeftOver) string {
	if l.Moving != nil {
		return (&sinks.UnfinishedMoveError{Portal: l.Portal, Moving: *l.Moving}).Error()
	}
	names := strings.Join(slices.Collect(portalNames(job.spec, nil)), " ")
	new := "NEW"
	if !strings.Contains(names, " ") {
		new = names
	}
	return fmt.Sprintf("portal %s is in the dataset and not in %s: readers of all portals count it too. If no other job exports it: "+
		"b24export forget %[1]s %[2]s deletes it, b24export rename %[1]s %[3]s %[2]s renames it", l.Portal, job.source(), new)
}
