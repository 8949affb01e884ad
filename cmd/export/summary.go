package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"b24export/jobs"
	"b24export/pipeline"
	"b24export/schemas/totals"
	"b24export/sinks/address"
)

// outcomeLine is the last line of run --json for a portal: the manifest's fields, if a
// snapshot was published, and the result of the run.
type outcomeLine struct {
	*pipeline.Manifest
	// Portal and Snapshot replace those of the manifest, which may be missing.
	Portal   string              `json:"portal"`
	Snapshot pipeline.SnapshotID `json:"snapshot,omitempty"`
	Job      string              `json:"job,omitempty"`
	Resumed  bool                `json:"resumed"`
	// Skipped reports whether the snapshot is of an earlier run and younger than
	// --if-older.
	Skipped bool `json:"skipped,omitempty"`
	// NewRejects is the number of rejects that the previous snapshot did not have.
	NewRejects int64 `json:"new_rejects"`
	// Unfinished has the counts of a run that published nothing.
	Unfinished *pipeline.Ledger `json:"unfinished,omitempty"`
	Exit       int              `json:"exit"`
	Error      *string          `json:"error"`
	Hint       string           `json:"hint,omitempty"`
	Seconds    float64          `json:"seconds"`
}

func lineOf(job loadedJob, o *jobs.Outcome) outcomeLine {
	line := outcomeLine{
		Manifest:   o.Summary.Manifest,
		Portal:     o.Portal,
		Snapshot:   o.Summary.Snapshot,
		Job:        job.file,
		Resumed:    o.Summary.Resumed,
		NewRejects: o.NewRejects,
		Exit:       o.Exit,
		Seconds:    o.Seconds,
	}
	if o.Skipped != nil {
		line.Skipped, line.Snapshot = true, o.Skipped.Snapshot
	}
	if o.Summary.Manifest == nil && o.Summary.Snapshot != "" {
		line.Unfinished = &o.Summary.Ledger
	}
	if o.Err != nil {
		text := hideSecrets(o.Err.Error())
		line.Error = &text
	}
	line.Hint = hideSecrets(hintFor(job, o))
	return line
}

// hintFor returns the hint about an outcome, "" if there is none.
func hintFor(job loadedJob, o *jobs.Outcome) string {
	switch {
	case o.Err != nil:
		return jobs.Hint(o.Err)
	case rejectsText(o) == "":
		return ""
	case job.source() == "":
		return "the rejects' file says which and why; the next run tries them again"
	}
	portal := ""
	if len(job.spec.Portals) > 1 {
		portal = " --only " + o.Portal
	}
	return fmt.Sprintf("b24export cat %s%s --rejects says which and why; the next run tries them again", job.source(), portal)
}

// rejectsText describes the payments that a published snapshot lacks. It returns "" if
// there are none.
func rejectsText(o *jobs.Outcome) string {
	m := o.Summary.Manifest
	if o.Err != nil || m == nil || m.Ledger.Rejected == 0 {
		return ""
	}
	news := ""
	if o.NewRejects < m.Ledger.Rejected {
		news = fmt.Sprintf(", %s of them new", grouped(o.NewRejects))
	}
	return fmt.Sprintf("%s of %s rejected%s; the rest is published", grouped(m.Ledger.Rejected), plural(m.Ledger.Listed, "payment"), news)
}

// unpublishedText names the portals that published nothing, if the job has several. It
// returns "" if there are none.
func unpublishedText(outcomes []jobs.Outcome) string {
	var names []string
	for i := range outcomes {
		if o := &outcomes[i]; o.Err != nil && o.Portal != "" {
			names = append(names, fmt.Sprintf("%s (exit %d)", o.Portal, o.Exit))
		}
	}
	if len(names) == 0 || len(outcomes) == 1 {
		return ""
	}
	text := fmt.Sprintf("%d of %d portals failed: ", len(names), len(outcomes))
	if more := len(names) - namedPortals; more > 0 {
		return text + strings.Join(names[:namedPortals], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return text + strings.Join(names, ", ")
}

// namedPortals is the maximum number of portals that a line names.
const namedPortals = 10

// outcomeColumns are the columns of the table of outcomes; see fitTable.
var outcomeColumns = []rankedColumn{
	{"portal", 0}, {"snapshot", 2}, {"rows", 0}, {"+", 3}, {"~", 3}, {"-", 3}, {"rejected", 1}, {"requests", 4}, {"time", 1}, {"exit", 0},
}

// writeOutcomes writes a line for each portal. No line is wider than width if that is
// possible; 0 means any width.
func writeOutcomes(w io.Writer, outcomes []jobs.Outcome, width int) error {
	rows := make([]table.Row, len(outcomes))
	for i := range outcomes {
		o := &outcomes[i]
		row := table.Row{o.Portal, "not published", "", "", "", "", grouped(o.Summary.Ledger.Rejected)}
		if o.Skipped != nil {
			row = table.Row{o.Portal, "skipped", grouped(o.Skipped.Ledger.Rows()), "", "", "", grouped(o.Skipped.Ledger.Rejected)}
		}
		if m := o.Summary.Manifest; m != nil {
			row = table.Row{
				o.Portal, m.Snapshot, grouped(m.Ledger.Rows()), grouped(m.Changes.Insert),
				grouped(m.Changes.Update), grouped(m.Changes.Delete), grouped(m.Ledger.Rejected),
			}
		}
		rows[i] = append(row, grouped(o.Summary.Own.Requests), shortTime(seconds(o.Seconds)), o.Exit)
	}
	return writeTable(w, fitTable(outcomeColumns, []string{"portal", "snapshot"}, rows, width))
}

// writeSummary prints the result of a portal's run for people.
func writeSummary(w io.Writer, sink string, o *jobs.Outcome) error {
	m := o.Summary.Manifest
	var b strings.Builder
	again := ""
	if o.Summary.Resumed {
		again = ", resumed from an earlier run"
	}
	fmt.Fprintf(&b, "%s: snapshot %s of %s (%s%s)\n\n", m.Portal, m.Snapshot, plural(m.Ledger.Rows(), "payment"), m.Mode, again)
	fmt.Fprintf(&b, "  changes   %s\n", changesText(m))
	fmt.Fprintf(&b, "  ledger    %s\n", ledgerText(m.Ledger))
	fmt.Fprintf(&b, "  portal    %s\n", useText(o.Summary.Own, o.Seconds))
	fmt.Fprintf(&b, "\n%s", indentRight(totalsTable(m.Totals)))
	fmt.Fprintf(&b, "\nin %s:\n%s", address.Bare(sink), indentRight(filesTable(m)))
	_, err := io.WriteString(w, b.String())
	return err
}

func changesText(m *pipeline.Manifest) string {
	against := "the first snapshot"
	if m.Previous != "" {
		against = "against " + string(m.Previous)
	}
	return fmt.Sprintf("%s new, %s changed, %s gone (%s)",
		grouped(m.Changes.Insert), grouped(m.Changes.Update), grouped(m.Changes.Delete), against)
}

// ledgerText returns the ledger as an equation.
func ledgerText(l pipeline.Ledger) string {
	var terms []string
	for _, t := range []struct {
		n    int64
		what string
	}{{l.Got, "got"}, {l.Carried, "carried over"}, {l.Rejected, "rejected"}, {l.Vanished, "vanished"}} {
		if t.n > 0 || t.what == "got" {
			terms = append(terms, grouped(t.n)+" "+t.what)
		}
	}
	s := fmt.Sprintf("%s listed = %s", grouped(l.Listed), strings.Join(terms, " + "))
	if l.Outside > 0 {
		s += fmt.Sprintf("; %s left as they were", grouped(l.Outside))
	}
	if l.Unknown > 0 {
		s += fmt.Sprintf("; %s given ids are unknown: the portal does not show whether they exist", grouped(l.Unknown))
	}
	if l.Kept > 0 {
		s += fmt.Sprintf("; %s of the rejected keep their last known row", grouped(l.Kept))
	}
	return s
}

func useText(u pipeline.PortalUse, secs float64) string {
	s := fmt.Sprintf("%s for %s in %s", plural(u.Requests, "request"), plural(u.Commands, "command"), shortTime(seconds(secs)))
	if u.Retries > 0 {
		s += fmt.Sprintf(", %s repeated", grouped(u.Retries))
	}
	if u.RateWaitS >= 0.05 {
		s += fmt.Sprintf(", %s of waiting for the rate limit", shortTime(seconds(u.RateWaitS)))
	}
	if u.OperatingWaitS >= 0.05 {
		s += fmt.Sprintf(", %s for the operating budget", shortTime(seconds(u.OperatingWaitS)))
	}
	return s
}

func totalsTable(by map[string]totals.Total) string {
	grid := plainTable()
	grid.AppendHeader(table.Row{"currency", "payments", "sum", "paid", "paid sum"})
	var columns []table.ColumnConfig
	for i := 2; i <= 5; i++ {
		columns = append(columns, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	grid.SetColumnConfigs(columns)
	for _, currency := range slices.Sorted(maps.Keys(by)) {
		t := by[currency]
		if currency == "" {
			currency = "(none)"
		}
		grid.AppendRow(table.Row{printable(currency), grouped(t.Payments), groupDigits(t.Sum), grouped(t.Paid), groupDigits(t.PaidSum)})
	}
	return grid.Render()
}

// filesTable lists the files of the snapshot. The current table comes first: it is a
// copy of the snapshot's table, and therefore not in the manifest.
func filesTable(m *pipeline.Manifest) string {
	grid := plainTable()
	grid.AppendHeader(table.Row{"file", "rows", "size"})
	grid.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	for i, f := range m.Files {
		if i == 0 { // the first file is always the table
			grid.AppendRow(table.Row{currentTable(m.Dataset, m.Portal), grouped(f.Rows), byteSize(f.Bytes)})
		}
		grid.AppendRow(table.Row{f.Path, grouped(f.Rows), byteSize(f.Bytes)})
	}
	return grid.Render()
}

// indentRight indents a table and removes the blanks at the ends of its lines.
func indentRight(rendered string) string {
	var b strings.Builder
	for line := range strings.Lines(rendered) {
		b.WriteString("  " + strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
