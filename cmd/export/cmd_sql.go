package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"b24export/pipeline"
)

// sqlFlags select the statements that sql prints.
type sqlFlags struct {
	engine   string
	snapshot string
	reading  reading
	dataset  string
	part     string
}

func (p *program) sqlCommand() *cobra.Command {
	var f sqlFlags
	cmd := &cobra.Command{
		Use: "sql JOB",
		Example: `b24export sql job.yaml > payments.sql && duckdb -init payments.sql
b24export sql job.yaml --engine bigquery --dataset sales > payments.bq.sql
b24export sql job.yaml --engine bigquery --part load | bq query --use_legacy_sql=false`,
		Short: "Print SQL statements to query or load the dataset.",
		Long: `The statements read the job's dataset as it is now.

duckdb    secrets for the bucket, then views: payments (the newest snapshots),
          payments_history, payments_changes, payments_rejects, payments_live (the
          path that each run replaces), payments_days (with the days of the portal's
          time zone), and the macro payments_as_of(snapshot); with related tables
          also payments_orders and so on, and payments_named
bigquery  a partitioned and clustered table, a load job into it, external tables,
          and a MERGE of the change feed; for a dataset in Google Cloud Storage.
          --part prints one of these only, for a scheduler

The views name the files of published snapshots. These files never change, so a run
does not disturb a query. To see newer snapshots, print and execute the statements
again. Keys and passwords are never printed.`,
		Args: f.reading.args(1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSnapshotName(f.snapshot); err != nil {
				return usagef(cmd, "--snapshot: %w", err)
			}
			if !sqlName.MatchString(f.dataset) {
				return usagef(cmd, "--dataset %s: must be of letters, digits, _ and -, with or without the project and a dot before it", shownArg(f.dataset))
			}
			if f.part != allParts && f.engine != "bigquery" {
				return usagef(cmd, "--part is for --engine bigquery")
			}
			return p.sql(cmd.Context(), &f, args)
		},
	}
	flags := cmd.Flags()
	flags.Var(oneOf(&f.engine, "duckdb", "bigquery"), "engine", "engine that executes the statements: duckdb, bigquery")
	flags.StringVar(&f.snapshot, "snapshot", "", "each portal as of this `snapshot`: an id such as 20261122T020000Z, the start of an id, a day such as 2026-11-22, or previous")
	f.reading.addFlags(flags, "print statements for these `portals` only, comma-separated")
	flags.Var(oneOf(&f.part, append([]string{allParts}, bigQueryParts...)...), "part", "BigQuery statements to print: all, table, external, load, merge")
	flags.StringVar(&f.dataset, "dataset", "bitrix24", "`name` of the BigQuery dataset, or PROJECT.DATASET")
	return cmd
}

// sqlEngines has the function that makes the statements of each engine of --engine.
var sqlEngines = map[string]func(sinkURL, dataset, part string, f *sqlFiles) ([]statement, error){
	"duckdb":   func(sinkURL, _, _ string, f *sqlFiles) ([]statement, error) { return duckDBStatements(sinkURL, f) },
	"bigquery": bigQueryStatements,
}

// sqlFiles are the files of a dataset that statements name, oldest first. Paths are
// relative to the sink.
type sqlFiles struct {
	name    string   // the name of the dataset
	portals []string // all requested portals, with or without snapshots
	current []string // tables of the newest snapshots, one for each portal
	live    []string // the current tables of portals with snapshots, which runs replace
	history []string
	changes []string
	first   []string // tables of first snapshots, which are their change feeds
	rejects []string
	related map[string][]string // by table
	// kept has the portal and id of each retained snapshot; shown has those of current.
	kept  [][2]string
	shown []string
	zones []sqlZone
}

func (p *program) sql(ctx context.Context, f *sqlFlags, args []string) error {
	job, err := f.reading.loadOne(ctx, p, args)
	if err != nil {
		return err
	}
	spec := job.spec
	files := &sqlFiles{name: spec.Name}
	err = p.eachPortal(ctx, []loadedJob{job}, f.reading.only, func(_ loadedJob, data *dataset) error {
		asOf, err := data.asOf(ctx, f.snapshot)
		if err != nil {
			return err
		}
		return files.add(ctx, data, asOf)
	})
	if err != nil {
		return err
	}
	statements, err := sqlEngines[f.engine](spec.Sink.URL, f.dataset, f.part, files)
	if err != nil {
		return err
	}
	return p.showStatements(f.engine, statements)
}

// add finds the files of a portal: those of its snapshots up to and including asOf, or
// of all snapshots if asOf is "".
func (s *sqlFiles) add(ctx context.Context, data *dataset, asOf pipeline.SnapshotID) error {
	s.portals = append(s.portals, data.portal)
	manifests, err := data.Snapshots(ctx)
	if err != nil {
		return err
	}
	var newest *pipeline.Manifest
	for _, m := range slices.Backward(manifests) { // from the oldest
		id := m.Snapshot
		if asOf != "" && id > asOf {
			break
		}
		newest = m
		s.kept = append(s.kept, [2]string{data.portal, string(id)})
		for _, f := range m.Files {
			switch f.Path {
			case data.HistoryPath(id):
				s.history = append(s.history, f.Path)
				if m.Feed == pipeline.FeedTable {
					s.first = append(s.first, f.Path)
				}
			case data.ChangesPath(id):
				s.changes = append(s.changes, f.Path)
			case data.RejectsPath(id):
				s.rejects = append(s.rejects, f.Path)
			}
		}
	}
	if newest != nil {
		s.current = append(s.current, data.HistoryPath(newest.Snapshot))
		s.live = append(s.live, data.CurrentPath())
		s.shown = append(s.shown, data.portal+" as of "+string(newest.Snapshot))
		s.zones = append(s.zones, sqlZone{data.portal, cmp.Or(newest.TimeZone, unknownZone)})
	}
	return s.addRelated(ctx, data)
}

// statement is an SQL statement and its description.
type statement struct {
	comment string
	sql     string // without the semicolon; "" if there is only a comment
}

func (p *program) showStatements(engine string, statements []statement) error {
	var err error
	for _, s := range statements {
		if p.json {
			err = p.stdout.line(struct {
				Engine  string `json:"engine"`
				Comment string `json:"comment"`
				SQL     string `json:"sql"`
			}{engine, s.comment, s.sql})
		} else {
			text := "-- " + strings.ReplaceAll(s.comment, "\n", "\n-- ") + "\n"
			if s.sql != "" {
				text += s.sql + ";\n"
			}
			_, err = fmt.Fprintln(p.stdout, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNotInGCS = errors.New("BigQuery reads from Google Cloud Storage, and this job's sink.url is elsewhere: copy the dataset to a bucket there, as with gcloud storage rsync, and give a job file with that gs:// URL")
