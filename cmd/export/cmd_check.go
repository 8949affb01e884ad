package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"b24export/jobs"
	"b24export/jobs/jobfile"
)

func (p *program) checkCommand() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "check JOB…",
		Example: `b24export check job.yaml
b24export check job.yaml --json | jq -c 'select(.state != "ok")'`,
		Short: "Check the job file, portal and storage before a run.",
		Long: `Checks what a run needs: the job file and its secrets, each portal (connection,
webhook, plan, scopes, administrator, the methods that a run calls, clock) and the
sink (write, conditional write, read, list, delete, which run holds the lease,
unfinished work). Each line is ok, warning or failed, and names the fix. Nothing
remains changed: check writes two small objects to the sink and deletes them.

The exit code is 0 if nothing failed, otherwise the code that a run would have.`,
		Args: atLeastOne("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, file := range args {
				if !isJobFile(file) {
					return usagef(cmd, "%s is no job file; name the file in which the job stands", shownArg(file))
				}
			}
			c := checker{p: p, files: len(args)}
			for _, file := range args {
				if err := c.job(cmd.Context(), file, only); err != nil {
					return err
				}
			}
			return c.finish()
		},
	}
	addOnly(cmd.Flags(), &only, "check these `portals` only, comma-separated")
	return cmd
}

// checkLine is a line of check --json.
type checkLine struct {
	Job string `json:"job"`
	jobs.CheckLine
}

// checker prints and counts the results of checks.
type checker struct {
	p                    *program
	files                int
	ok, warnings, failed int64
	outcomes             []jobs.Outcome // of the failed lines, for their exit codes
}

// job checks one job. A problem of its file is a line like any other.
func (c *checker) job(ctx context.Context, file string, only []string) error {
	if c.files > 1 && !c.p.json {
		if _, err := fmt.Fprintf(untilGone{c.p.stdout}, "%s\n", printable(file)); err != nil {
			return err
		}
	}
	spec, err := jobfile.Load(file, c.p.lookup)
	if err != nil {
		for _, line := range jobs.FileProblems(err) {
			if err := c.show(file, 0, line); err != nil {
				return err
			}
		}
		return nil
	}
	width := 0
	for i := range spec.Portals {
		width = max(width, len(spec.Portals[i].Name))
	}
	if err := checkPortals(spec, only); err != nil {
		return err
	}
	for line := range jobs.Check(ctx, spec, &jobs.RunOptions{Program: programName(), Only: only, Log: c.p.log, Cache: c.p.cacheFolder()}) {
		if err := c.show(file, width, line); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// show prints a line at once, because the next check may take a while.
func (c *checker) show(file string, width int, line jobs.CheckLine) error {
	switch line.State {
	case jobs.CheckFailed:
		c.failed++
		c.outcomes = append(c.outcomes, jobs.Outcome{Exit: line.Exit})
	case jobs.CheckWarning:
		c.warnings++
	case jobs.CheckOK:
		c.ok++
	}
	line.Detail, line.Hint = hideSecrets(line.Detail), hideSecrets(line.Hint)
	if c.p.json {
		return c.p.stdout.line(checkLine{file, line})
	}
	if err := writeCheck(untilGone{c.p.stdout}, width, &line); err != nil {
		return err
	}
	return c.p.stdout.Flush()
}

// checkWidth is the width of the longest name of a check.
const checkWidth = len("sink.conditional_write")

// writeCheck writes a line for people, and below it what to do.
func writeCheck(w io.Writer, width int, line *jobs.CheckLine) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-7s  %-*s  %-*s  %s\n", line.State, width, line.Portal, checkWidth, line.Check, printable(line.Detail))
	if line.Hint != "" {
		fmt.Fprintf(&b, "%7s  %-*s  %-*s  → %s\n", "", width, "", checkWidth, "", printable(line.Hint))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// finish prints the sums, and returns the exit code of the most serious line.
func (c *checker) finish() error {
	if !c.p.json {
		if _, err := fmt.Fprintf(untilGone{c.p.stdout}, "%d ok, %s, %d failed\n", c.ok, plural(c.warnings, "warning"), c.failed); err != nil {
			return err
		}
	}
	if code := jobs.ExitOfAll(c.outcomes); code != jobs.ExitComplete {
		return exitCode(code)
	}
	return nil
}
