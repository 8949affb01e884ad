package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
	"b24export/sinks/address"
)

// catFlags select the rows that cat prints, and their format.
type catFlags struct {
	form             string
	limit            int64
	columns, where   []string
	expand           bool
	reading          reading
	snapshot         string
	changes, rejects bool
}

// tableLimit is the default number of rows of a table. Nobody reads more.
const tableLimit = 20

func (p *program) catCommand() *cobra.Command {
	var f catFlags
	cmd := &cobra.Command{
		Use: "cat JOB|FILE",
		Example: `b24export cat job.yaml
b24export cat job.yaml --where 'paid=false and date_bill<2026-01-01' --where 'sum>=1000'
b24export cat job.yaml --changes --columns op,changed,id,sum
b24export cat data/payments/portal=acme/payments.parquet --format csv > payments.csv
b24export cat job.yaml --format jsonl | jq 'select(.paid | not) | .id'
b24export cat job.yaml --format arrow | python3 -c 'import pyarrow as pa, sys; print(pa.ipc.open_stream(sys.stdin.buffer).read_all())'`,
		Short: "Print rows as a table, CSV, JSON or Arrow.",
		Long: `Prints the rows of a job's newest snapshot, or of a Parquet file written by
b24export, in file order. Memory use does not depend on the number of rows.

table  as wide as the terminal or the variable COLUMNS; times in UTC, to the second;
       20 rows by default
csv    RFC 4180, with a header; null is an empty field
jsonl  one object per line; decimals are numbers with all digits, times are strings,
       the column extra is an object
arrow  an Arrow IPC stream, with the schema's descriptions

--changes prints the change feed. A portal's first snapshot has no file of it: each row
of its table is an insert.

--where compares a column with a value by = != < <= > >=. Join several comparisons
with and. Put a string with spaces between single quotes. Days and times without an
offset are in UTC. null can be compared with = and != only. A row whose value is null
matches no other comparison.`,
		Args: f.reading.args(1, "a job file, a Parquet file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, p.json, args); err != nil {
				return err
			}
			out, err := p.openCat(cmd.Context(), &f, args)
			if err != nil {
				return err
			}
			return errors.Join(p.cat(&f, out), out.close())
		},
	}
	flags := cmd.Flags()
	flags.Var(rowFormFlag(&f.form), "format", "output format: table, csv, jsonl, arrow; jsonl with --json")
	flags.Int64Var(&f.limit, "limit", 0, "number of rows to print; 0: all (default 20 for a table)")
	flags.StringSliceVar(&f.columns, "columns", nil, "print these columns, in this order: `names`, comma-separated")
	flags.StringArrayVar(&f.where, "where", nil, "print rows that meet this `condition`, such as sum>=100; with several, all must be met")
	flags.BoolVar(&f.expand, "expand", false, "print each row as a list of columns, with nothing cut off")
	f.reading.addFlags(flags, "the `portal` to print; required if the job has several")
	flags.StringVar(&f.snapshot, "snapshot", "", snapshotFlag)
	flags.BoolVar(&f.changes, "changes", false, "print the changes of the snapshot instead of its rows")
	flags.BoolVar(&f.rejects, "rejects", false, "print the rejects of the snapshot; without --snapshot the rejects of an unfinished snapshot, if it has any")
	return cmd
}

func (f *catFlags) check(cmd *cobra.Command, machine bool, args []string) error {
	source := strings.Join(args[:min(1, len(args))], "")
	changed := cmd.Flags().Changed
	switch {
	case machine && changed("format") && f.form != "jsonl":
		return usagef(cmd, "--json and --format %s exclude each other", f.form)
	case f.expand && (machine || f.form != "table"):
		return usagef(cmd, "--expand is for tables, not for --format %s", cmp.Or(f.form, "jsonl"))
	case f.changes && f.rejects:
		return usagef(cmd, "--changes and --rejects exclude each other")
	case f.limit < 0:
		return usagef(cmd, "--limit %d: must not be negative", f.limit)
	case isParquet(source) && (len(f.reading.only) > 0 || f.snapshot != "" || f.changes || f.rejects):
		return usagef(cmd, "--only, --snapshot, --changes and --rejects are for a job; %s is a file, and says itself what it holds", shownArg(source))
	}
	if err := checkSnapshotName(f.snapshot); err != nil {
		return usagef(cmd, "--snapshot: %w", err)
	}
	if machine {
		f.form = "jsonl"
	}
	if f.form == "table" && !changed("limit") {
		f.limit = tableLimit
	}
	return nil
}

// isParquet reports whether source is the address of a file of rows, and not a job. A
// broken URL is no job file either; openFile returns what is wrong with it.
func isParquet(source string) bool {
	at, err := address.Parse(source)
	return err != nil || strings.HasSuffix(at.Path(), ".parquet")
}

// catSource is the source of rows: one of three sequences, by the table.
type catSource struct {
	table    tableName
	payments iter.Seq2[*schemas.Payment, error]
	changes  iter.Seq2[*sinks.Change, error]
	rejects  iter.Seq2[*pipeline.Reject, error]
	// rows is the number of rows, -1 if it is not known. none is the message if there
	// are none.
	rows  int64
	none  string
	close func() error
}

// openCat finds the requested rows. The caller closes the source.
func (p *program) openCat(ctx context.Context, f *catFlags, args []string) (*catSource, error) {
	if f.reading.from == "" && isParquet(args[0]) {
		return openFile(ctx, args[0], f.ids())
	}
	_, data, err := p.openOne(ctx, &f.reading, args)
	if err != nil {
		return nil, err
	}
	if f.rejects {
		src, err := p.unfinishedRejects(ctx, f.snapshot, data)
		if err != nil {
			return nil, errors.Join(err, data.close())
		}
		if src != nil {
			return src, nil
		}
	}
	m, err := data.snapshot(ctx, f.snapshot)
	if err != nil {
		return nil, errors.Join(err, data.close())
	}
	src := &catSource{close: data.close}
	switch {
	case f.changes:
		src.table, src.rows = changes, m.Changes.Sum()
		src.changes = data.ReadChanges(ctx, m)
	case f.rejects:
		src.table, src.rows = rejects, m.Ledger.Rejected
		src.rejects = data.ReadRejects(ctx, m)
	default:
		src.table, src.rows = payments, m.Ledger.Rows()
		src.payments = data.ReadPayments(ctx, m, f.ids())
	}
	src.none = fmt.Sprintf("snapshot %s of portal %s has no %s", m.Snapshot, m.Portal, src.table)
	return src, nil
}

// unfinishedRejects returns the rejects of an unfinished snapshot if name is its id, or
// if name is empty and there are any. Otherwise it returns nil.
func (p *program) unfinishedRejects(ctx context.Context, name string, data *dataset) (*catSource, error) {
	if name != "" && !isSnapshotID(name) {
		return nil, nil
	}
	status, err := data.Status(ctx)
	if err != nil {
		return nil, err
	}
	cp := status.Checkpoint
	if !cp.Unfinished() || name == "" && cp.Ledger.Rejected == 0 || name != "" && name != string(cp.Snapshot) {
		return nil, nil
	}
	if _, err := fmt.Fprintf(p.stderr, "the rejects of snapshot %s, which is unfinished; --snapshot %s has those of the newest published one\n",
		cp.Snapshot, snapshotLatest); err != nil {
		return nil, err
	}
	return &catSource{
		table: rejects, rows: cp.Ledger.Rejected, rejects: data.ReadUnfinishedRejects(ctx, cp), close: data.close,
		none: fmt.Sprintf("snapshot %s of portal %s, which is unfinished, has no rejects so far", cp.Snapshot, data.portal),
	}, nil
}

// openFile returns the source for a path or an object's URL.
func openFile(ctx context.Context, source string, ids pipeline.Range) (*catSource, error) {
	at, err := address.Parse(source)
	if err != nil {
		return nil, &startError{fmt.Errorf("%s is no URL", shownArg(source))}
	}
	parent, key := at.Split()
	store, err := sinks.OpenAddress(ctx, parent, nil)
	if err != nil {
		return nil, err
	}
	name, err := sinks.Table(ctx, store, key)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	src := &catSource{table: tableName(name), rows: -1, close: store.Close}
	switch src.table {
	case payments:
		src.payments = sinks.Payments(ctx, store, key, ids)
	case changes:
		src.changes = sinks.Changes(ctx, store, key)
	case rejects:
		src.rejects = sinks.Rejects(ctx, store, key)
	default:
		return nil, errors.Join(fmt.Errorf("%s holds a %s, which is private", shownArg(source), name), store.Close())
	}
	return src, nil
}

// cat prints the rows of a source, or a message for people if there are none.
func (p *program) cat(f *catFlags, src *catSource) error {
	if src.rows == 0 && f.form == "table" {
		_, err := fmt.Fprintln(p.stderr, src.none)
		return err
	}
	n, err := p.copyCat(f, src, p.width())
	switch {
	case err != nil:
	case f.form == "arrow":
		// Readers accept a stream that is truncated between two batches as complete.
		if err = p.stdout.Flush(); err == nil {
			_, err = fmt.Fprintf(p.stderr, "%s printed\n", plural(n, "row"))
		}
	case n == 0 && len(f.where) > 0 && f.form == "table":
		_, err = fmt.Fprintln(p.stderr, "no row meets the condition")
	default:
		err = p.tellMore(f, n, src.rows)
	}
	return err
}

// copyCat prints the rows of a source, and returns the number of printed rows. width
// limits the lines of a table; 0 means any width.
func (p *program) copyCat(f *catFlags, src *catSource, width int) (n int64, err error) {
	schema := src.table.schema()
	columns, err := pickColumns(schema, f.columns)
	if err != nil {
		return 0, &startError{fmt.Errorf("--columns: %w", err)}
	}
	sel := selection{columns: columns, limit: f.limit}
	for _, text := range f.where {
		where, err := parseWhere(schema, text)
		if err != nil {
			return 0, &startError{fmt.Errorf("--where: %w", err)}
		}
		sel.where = append(sel.where, where...)
	}
	all := int64(0)
	if f.form == "table" && f.limit > 0 && (src.rows < 0 || len(sel.where) > 0) {
		sel.all = &all // the table ends with the number of rows
		defer func() { src.rows = all }()
	}
	w := newRowWriter(untilGone{p.stdout}, f.form, project(schema, columns), width)
	if f.expand {
		w = newExpandedRows(untilGone{p.stdout}, project(schema, columns))
	}
	switch src.table {
	case payments:
		n, err = copyRows(w, src.payments, newPaymentRecords(), &sel)
	case changes:
		n, err = copyRows(w, src.changes, newChangeRecords(), &sel)
	case rejects:
		n, err = copyRows(w, src.rejects, newRejectRecords(), &sel)
	}
	if err != nil || n == 0 && f.form == "table" {
		return n, err
	}
	return n, w.Close()
}

// tellMore prints that the table ends after n rows although there are more. all is the
// number of all rows, -1 if it is not known.
func (p *program) tellMore(f *catFlags, n, all int64) error {
	if f.form != "table" || f.limit == 0 || n < f.limit || n == all || n == 0 {
		return nil
	}
	of := ""
	if all >= 0 {
		of = " of " + grouped(all)
	}
	_, err := fmt.Fprintf(p.stdout, "the first %s%s rows; --limit 0 prints all\n", grouped(n), of)
	return err
}
