package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/sinks"
	"b24export/sinks/address"
)

// demoFolder is the folder that the demo exports to, in the working directory.
const demoFolder = "b24export-demo"

// demoMarker is a file in demoFolder. It shows the demo that a demo created the folder.
const demoMarker = ".made-by-b24export-demo"

func (p *program) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo",
		Example: `b24export demo
b24export demo    # again: some payments have changed in between`,
		Short: "Export a fake portal to ./" + demoFolder + ": no account, no network.",
		Long: `Starts a fake portal in the process, exports it to ./` + demoFolder + `, and shows
the files and rows. Run it again for an incremental export: each further demo first
changes some payments on the portal. demo never touches a folder that it did not
create. Delete the folder to start again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.demo(cmd.Context()) },
	}
}

func (p *program) demo(ctx context.Context) (err error) {
	if err := prepareDemoFolder(demoFolder); err != nil {
		return err
	}
	if p.logLevel == "auto" {
		p.logLevel = "warn" // the demo explains itself
		p.setUp()
	}
	spec, err := parseDemoJob(demoHost + "/rest/1/unused/")
	if err != nil {
		return err
	}
	data, err := p.openData(ctx, spec, "demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	snapshots, err := data.Snapshots(ctx)
	if err != nil {
		return err
	}

	portal := demoPortal(len(snapshots))
	if spec, err = parseDemoJob(portal.Webhook(demoHost)); err != nil {
		return err
	}
	job := loadedJob{spec: spec}
	opts := jobs.RunOptions{Program: programName(), Build: shortCommit(), Log: p.log, Transport: portal.RoundTripper()}
	if p.json {
		if err := p.protocol("demo"); err != nil {
			return err
		}
	} else if err := tellDemoBegins(p.stdout, len(snapshots)); err != nil {
		return err
	}
	p.stdout.Flush()
	outcomes := p.runJob(ctx, job, opts, nil)
	o := &outcomes[0]
	if p.json || o.Summary.Manifest == nil {
		if err := p.show(job, outcomes); err != nil {
			return err
		}
	} else if err := p.showDemo(ctx, data, o); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(demoFolder, "job.yaml"), []byte(demoJobFile()), 0o644); err != nil {
		return err
	}
	if o.Exit == jobs.ExitRejects { // rejects are a part of the demo
		return nil
	}
	if o.Exit != jobs.ExitComplete {
		return exitCode(o.Exit)
	}
	return nil
}

func parseDemoJob(webhook string) (*jobfile.Spec, error) {
	noVariables := func(string) (string, bool) { return "", false }
	noFiles := func(name string) ([]byte, error) { return nil, fs.ErrNotExist }
	return jobfile.Parse("demo.yaml", []byte(demoJob(webhook, demoFolder)), noVariables, noFiles)
}

// prepareDemoFolder creates the demo's folder, or checks that a demo created it.
func prepareDemoFolder(folder string) error {
	refuse := func(what string) error {
		return &startError{fmt.Errorf("%s %s, and was not made by a demo: move it away, or run the demo in another folder", folder, what)}
	}
	info, err := os.Lstat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	case err != nil:
		return err
	case !info.IsDir():
		return refuse("is there, is no folder")
	}
	marker := filepath.Join(folder, demoMarker)
	if info, err := os.Lstat(marker); err == nil && info.Mode().IsRegular() {
		return nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return refuse("has files in it")
	}
	return os.WriteFile(marker, []byte("Made by b24export demo, which may change everything in this folder.\n"), 0o644)
}

func tellDemoBegins(w io.Writer, round int) error {
	const limits = "a standard plan's limits in fast motion: a minute in half a second"
	if round == 0 {
		_, err := fmt.Fprintf(w, "exporting a fake portal with %s, under %s …\n\n", plural(int64(demoPayments), "payment"), limits)
		return err
	}
	_, err := fmt.Fprintf(w, "some payments have been paid, repriced, added and deleted on the fake portal;\nexporting it for the %s time, under %s …\n\n", ordinal(round+1), limits)
	return err
}

// ordinal returns n as an ordinal number, such as 2nd.
func ordinal(n int) string {
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// demoWidth is the width of tables if the width of the terminal is not known.
const demoWidth = 110

// showDemo prints the result of the demo.
func (p *program) showDemo(ctx context.Context, data *dataset, o *jobs.Outcome) error {
	m := o.Summary.Manifest
	if err := writeSummary(p.stdout, "./"+demoFolder, o); err != nil {
		return err
	}
	type part struct {
		title   string
		source  *catSource
		columns []string
		rows    int64 // maximum number of printed rows
		of      int64
	}
	var parts []part
	if m.Previous == "" {
		parts = append(parts, part{
			"the first payments", &catSource{table: payments, payments: data.ReadPayments(ctx, m, sinks.Above(0))},
			[]string{"id", "paid", "date_paid", "sum", "currency", "pay_system_name", "order_id"}, 8, m.Ledger.Rows(),
		})
	} else if m.Changes.Sum() > 0 {
		parts = append(parts, part{
			"the first changes", &catSource{table: changes, changes: data.ReadChanges(ctx, m)},
			[]string{"op", "changed", "id", "paid", "date_paid", "sum", "currency"}, 12, m.Changes.Sum(),
		})
	}
	if m.Ledger.Rejected > 0 {
		parts = append(parts, part{
			"the rejects, which the next run tries again", &catSource{table: rejects, rejects: data.ReadRejects(ctx, m)},
			[]string{"id", "stage", "code", "description"}, 3, m.Ledger.Rejected,
		})
	}
	for _, part := range parts {
		fmt.Fprintf(p.stdout, "\n%s:\n", part.title)
		width := p.width()
		if width == 0 {
			width = demoWidth
		}
		f := &catFlags{form: "table", columns: part.columns, limit: part.rows}
		if _, err := p.copyCat(f, part.source, width); err != nil {
			return err
		}
		if more := part.of - part.rows; more > 0 {
			fmt.Fprintf(p.stdout, "and %s more\n", grouped(more))
		}
	}
	return tellDemoGoesOn(p.stdout, m)
}

// tellDemoGoesOn prints what to do next, with the command by which the program was
// started.
func tellDemoGoesOn(w io.Writer, m *pipeline.Manifest) error {
	sink, err := address.Parse(demoFolder)
	if err != nil {
		return err
	}
	table := currentTable(m.Dataset, m.Portal)
	job, name := shellWord(sink.Object("job.yaml")), invokedAs()
	_, err = fmt.Fprintf(w, `
continue with:
  %[1]s demo       # some payments change, and an incremental run finds them
  %[1]s cat %[2]s
  %[1]s diff %[2]s           # after the second demo; also: status, verify, snapshots, report, sql
with DuckDB, revenue by manager and month:
  %[1]s sql %[2]s > demo.sql && duckdb -init demo.sql -c %[3]s
or without the views:
  duckdb -c %[4]s
`, name, job, shellWord(queryManagers), shellWord(queryTotals(duckPath(sink, table))))
	return err
}

// queryManagers is the query that most people need first.
const queryManagers = "SELECT manager, date_trunc('month', paid_day)::DATE AS month, currency, sum(sum) AS revenue FROM payments_named WHERE paid GROUP BY ALL ORDER BY month DESC, revenue DESC LIMIT 10"

// invokedAs returns the command by which the program was started. go run creates a
// program that is deleted when it ends.
func invokedAs() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(filepath.ToSlash(exe), "/go-build") {
		return "go run ./cmd/export"
	}
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		return shellWord(os.Args[0])
	}
	return "b24export"
}
