package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	// lookupPayments is the default size of the table of -lookup.
	lookupPayments = 1_000_000
	// lookupRuns is how often -lookup runs each command.
	lookupRuns = 20
	// groupRows is the default of sink.row_group_rows.
	groupRows = 122_880
)

// short is a command of -lookup, and what its runs used.
type short struct {
	program, what string
	args          []string
	used          []usage
}

// lookup exports one portal, and prints what version and lookups of single payments take:
// of the first, a middle and the last row of a row group, and of the table. All commands
// run in turn. The ratios are to version. Of another build it prints version only.
func (s *settings) lookup(ctx context.Context, program, dir string, f fleet, stdout io.Writer) error {
	job, _, stop, err := s.portal(ctx, program, dir, 0, f)
	if err != nil {
		return err
	}
	defer stop()
	out := filepath.Join(dir, "out")
	if _, err := (&series{program: program, job: job}).run(ctx, out); err != nil {
		return err
	}
	stop() // the portal uses processor time as long as it serves
	if err := os.Setenv("SPEED_OUT", out); err != nil {
		return err
	}
	ids, err := exec.CommandContext(ctx, program, "cat", job, "--columns", "id", "--format", "csv").Output()
	if err != nil {
		return fmt.Errorf("list the ids: %w", err)
	}
	all := strings.Fields(string(ids))[1:] // without the header
	group := min(groupRows, len(all))
	commands := []*short{{program: program, what: "version", args: []string{"version"}}}
	for _, row := range []int{0, group / 2, group - 1, len(all) / 2, len(all) - 1} {
		commands = append(commands, &short{
			program: program, what: fmt.Sprintf("cat --where id=N, row %d", row+1),
			args: []string{"cat", "JOB", "--where", "id=" + all[row], "--format", "jsonl"},
		})
	}
	if s.vs != "" { // an older program may not be able to read the table
		commands = append(commands, &short{program: s.vs, what: "version", args: []string{"version"}})
	}
	for n := range lookupRuns + 1 {
		for _, c := range commands {
			u, err := peak(ctx, c.program, "", job, c.args)
			if err != nil {
				return err
			}
			if n > 0 {
				c.used = append(c.used, u)
			}
		}
	}
	return lookupTable(commands, stdout)
}

// lookupTable prints the medians, and the ratios to the first line.
func lookupTable(commands []*short, stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "program\tcommand\tms of CPU\tratio")
	version := 0.0
	for _, c := range commands {
		cpu := median(c.used, func(u usage) float64 { return float64(u.cpu) / float64(time.Millisecond) })
		if version == 0 {
			version = cpu
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.2f\n", filepath.Base(c.program), c.what, cpu, cpu/version)
	}
	return w.Flush()
}
