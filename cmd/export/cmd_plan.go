package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"b24export/bitrix"
	"b24export/jobs"
	"b24export/jobs/source"
)

func (p *program) planCommand() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "plan JOB…",
		Example: `b24export plan job.yaml
b24export plan job.yaml --json`,
		Short: "Predict the requests and the time of a run.",
		Long: `Predicts how many payments a run would list and get, how many requests and minutes
that takes under each of the portal's limits, and which limit decides. The prediction
uses three requests to each portal and its last snapshot, and corrects the dates of
lists as the last run did. A second column shows the same for enrich: list. Nothing
is written.`,
		Args: atLeastOne("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := p.load(cmd, args)
			if err != nil {
				return err
			}
			opts := jobs.RunOptions{Program: programName(), Log: p.log, Cache: p.cacheFolder()}
			for _, job := range loaded {
				if err := checkPortals(job.spec, only); err != nil {
					return err
				}
				for portal := range portalNames(job.spec, only) {
					plan, err := jobs.MakePlan(cmd.Context(), job.spec, portal, &opts)
					if err != nil {
						return fmt.Errorf("%s: %w", portal, err)
					}
					if p.json {
						err = p.stdout.line(planLine{job.file, plan})
					} else {
						err = writePlan(p.stdout, &plan)
					}
					if err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	addOnly(cmd.Flags(), &only, "plan for these `portals` only, comma-separated")
	return cmd
}

// planLine is a portal of plan --json.
type planLine struct {
	Job string `json:"job"`
	jobs.PortalPlan
}

// writePlan writes a plan as a small table: a column for the job as it is, and one for
// the job with enrich: list.
func writePlan(w io.Writer, plan *jobs.PortalPlan) error {
	if _, err := fmt.Fprintf(w, "%s: %s to list, %s to get (%s)\n", plan.Portal,
		plural(plan.ToList, "payment"), grouped(plan.ToGet), strings.TrimSuffix(string(plan.Mode)+", "+plan.Range, ", ")); err != nil {
		return err
	}
	grid := plainTable()
	grid.AppendHeader(table.Row{"", "this job", "enrich: list"})
	row := func(name string, of func(source.Forecast) string) {
		grid.AppendRow(table.Row{name, of(plan.Job), of(plan.List)})
	}
	limit := func(seconds float64) string {
		if seconds == 0 {
			return "no limit"
		}
		return shortTime(time.Duration(seconds * float64(time.Second)))
	}
	row("requests", func(f source.Forecast) string { return grouped(f.Requests) })
	row("under the request rate", func(f source.Forecast) string { return limit(f.RateS) })
	row("under the operating budget", func(f source.Forecast) string { return limit(f.OperatingS) })
	row("by the portal's answers", func(f source.Forecast) string { return limit(f.LatencyS) })
	row("in all", func(f source.Forecast) string { return limit(f.Seconds) + " (" + limitText(f.LimitedBy) + ")" })
	row("from the portal", func(f source.Forecast) string { return byteSize(f.Bytes) })
	if err := writeTable(w, grid); err != nil || plan.MayDelete == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "a run that would delete more than %s publishes nothing (deletes.max)\n", plural(plan.MayDelete, "row"))
	return err
}

// limitText returns the name of the limit that a run waits for.
func limitText(limit string) string {
	switch limit {
	case bitrix.LimitedByRate:
		return "the rate decides"
	case bitrix.LimitedByOperating:
		return "the budget decides"
	}
	return "the answers decide"
}
