package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"b24export/schemas"
	"b24export/sinks"
)

func (p *program) diffCommand() *cobra.Command {
	var f catFlags
	cmd := &cobra.Command{
		Use: "diff JOB [A [B]]",
		Example: `b24export diff job.yaml                 # the newest snapshot against the one before
b24export diff job.yaml 2026-11-15      # the newest of that day against the newest of all
b24export diff job.yaml 20261115T020000Z previous --format csv`,
		Short: "Print what differs between two snapshots.",
		Long: `Prints the changes from snapshot A to snapshot B, with the columns of the change
feed: op is insert, update or delete; changed names the columns that differ; then
follows the row as B has it. For a delete it is the row as A has it.

A and B are each an id, the start of an id, a day, latest or previous. B is latest by
default, and A is previous.`,
		Args: f.reading.args(3, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, p.json, nil); err != nil {
				return err
			}
			names := [2]string{snapshotPrevious, snapshotLatest}
			given := args
			if f.reading.from == "" {
				given = args[1:]
			}
			for i, name := range given {
				if err := checkSnapshotName(name); err != nil {
					return usagef(cmd, "%w", err)
				}
				names[i] = name
			}
			return p.diff(cmd.Context(), &f, args, names)
		},
	}
	flags := cmd.Flags()
	flags.Var(rowFormFlag(&f.form), "format", "output format: table, csv, jsonl, arrow; jsonl with --json")
	flags.Int64Var(&f.limit, "limit", 0, "number of rows to print; 0: all (default 20 for a table)")
	flags.StringSliceVar(&f.columns, "columns", nil, "print these columns, in this order: `names`, comma-separated")
	f.reading.addFlags(flags, "the `portal` to compare; required if the job has several")
	return cmd
}

func (p *program) diff(ctx context.Context, f *catFlags, args []string, between [2]string) (err error) {
	_, data, err := p.openOne(ctx, &f.reading, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	var sides [2]iter.Seq2[*schemas.Payment, error]
	var names []string
	for i, name := range between {
		m, err := data.snapshot(ctx, name)
		if err != nil {
			return err
		}
		names = append(names, string(m.Snapshot))
		sides[i] = data.ReadPayments(ctx, m, sinks.Above(0))
	}
	src := &catSource{table: changes, rows: -1, changes: differences(sides[0], sides[1])}
	n, err := p.copyCat(f, src, p.width())
	if err == nil && n == 0 && f.form == "table" {
		_, err = fmt.Fprintf(p.stderr, "snapshots %s do not differ\n", strings.Join(names, " and "))
	}
	if err == nil {
		err = p.tellMore(f, n, src.rows)
	}
	return err
}

// differences compares two snapshots in the order of ids. A change is valid until the
// next step of the sequence.
func differences(before, after iter.Seq2[*schemas.Payment, error]) iter.Seq2[*sinks.Change, error] {
	return func(yield func(*sinks.Change, error) bool) {
		nextOld, stopOld := iter.Pull2(before)
		defer stopOld()
		nextNew, stopNew := iter.Pull2(after)
		defer stopNew()
		var change sinks.Change
		old, errOld, moreOld := nextOld()
		now, errNew, moreNew := nextNew()
		for moreOld || moreNew {
			if err := errors.Join(errOld, errNew); err != nil {
				yield(nil, err)
				return
			}
			change = sinks.Change{}
			takeOld := moreOld && (!moreNew || old.ID <= now.ID)
			takeNew := moreNew && (!moreOld || now.ID <= old.ID)
			switch {
			case takeOld && takeNew:
				change = sinks.Change{Op: sinks.OpUpdate, Changed: schemas.Changed(old, now), Payment: *now}
			case takeOld:
				change = sinks.Change{Op: sinks.OpDelete, Payment: *old}
			case takeNew:
				change = sinks.Change{Op: sinks.OpInsert, Payment: *now}
			}
			if (change.Op != sinks.OpUpdate || len(change.Changed) > 0) && !yield(&change, nil) {
				return
			}
			if takeOld {
				old, errOld, moreOld = nextOld()
			}
			if takeNew {
				now, errNew, moreNew = nextNew()
			}
		}
	}
}
