package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The cases of -memory are the ones in which rows or answers are large. Each is a
// portal, and commands that run after one another on one dataset.
var large = []struct {
	portal   string
	payments int
	flags    []string // of the portal
	source   string   // of the job
	steps    []step
}{
	{
		portal: "comments of 20 KB", payments: 20_000, flags: []string{"--comments", "20000"}, source: "fields: [comments]",
		steps: []step{
			{"run, full", []string{"run", "JOB"}, 0},
			{"run, a night with 1 % changed", []string{"run", "JOB"}, 100},
			{"run, a night without changes", []string{"run", "JOB"}, 100},
			{"verify", []string{"verify", "JOB"}, 100},
			{"cat --format csv", []string{"cat", "JOB", "--format", "csv"}, 100},
			{"cat --limit 0", []string{"cat", "JOB", "--limit", "0"}, 100},
		},
	},
	{
		portal: "comments of 20 KB, enrich: list", payments: 20_000, flags: []string{"--comments", "20000"},
		source: "enrich: list, fields: [comments]",
		steps:  []step{{"run, full", []string{"run", "JOB"}, 0}, {"run, a night with 1 % changed", []string{"run", "JOB"}, 100}},
	},
	{
		// A request for 2,500 of them would be answered by 200 MB.
		portal: "comments of 80 KB", payments: 5_000, flags: []string{"--comments", "80000"}, source: "fields: [comments]",
		steps: []step{{"run, full", []string{"run", "JOB"}, 0}, {"cat --format csv", []string{"cat", "JOB", "--format", "csv"}, 0}},
	},
	{
		portal: "answers that unpack to 200 MB", payments: 20_000, flags: []string{"--fault", "large,every=20,times=6"},
		source: "enrich: get",
		steps:  []step{{"run, full", []string{"run", "JOB"}, 0}},
	},
}

// step is a command of a case.
type step struct {
	name string
	args []string // JOB is the job file
	// mutate is how many per ten thousand of the payments have changed before it, since
	// the portal's beginning.
	mutate int
}

// memory runs the cases whose rows or answers are large, and prints the peak memory of each
// command. A peak above most bytes is an error.
func (s *settings) memory(ctx context.Context, program, dir string, most int64, stdout io.Writer) error {
	const line = "%-34s  %-30s  %7v  %7v\n"
	fmt.Fprintf(stdout, line, "portal", "command", "peak MB", "seconds")
	var over []string
	for i, c := range large {
		if !strings.Contains(c.portal, s.only) {
			continue
		}
		out := filepath.Join(dir, fmt.Sprintf("large%d", i))
		job := out + ".yaml"
		text := fmt.Sprintf("version: 1\nname: payments\nportals:\n  - {name: p, webhook: \"${SPEED_HOOK}\", plan: unlimited}\nsource: {%s}\nsink: {url: %q}\n", c.source, out)
		if err := os.WriteFile(job, []byte(text), 0o600); err != nil {
			return err
		}
		payments := max(c.payments/s.part, 100)
		hook, stop, mutated := "", func() {}, -1
		for _, step := range c.steps {
			if step.mutate != mutated {
				stop()
				flags := append([]string{"--payments", fmt.Sprint(payments), "--mutate", fmt.Sprint(payments * step.mutate / 10_000)}, c.flags...)
				var err error
				if hook, stop, err = startPortal(ctx, program, "127.0.0.1:0", flags...); err != nil {
					return err
				}
				mutated = step.mutate
			}
			u, err := peak(ctx, s.measured(program), hook, job, step.args)
			if err != nil {
				stop()
				return err
			}
			fmt.Fprintf(stdout, line, c.portal, step.name, u.peak/1e6, fmt.Sprintf("%.1f", u.wall.Seconds()))
			if u.peak > most {
				over = append(over, fmt.Sprintf("%s, %s: %d MB", c.portal, step.name, u.peak/1e6))
			}
		}
		stop()
		if err := os.RemoveAll(out); err != nil {
			return err
		}
	}
	if len(over) > 0 {
		return fmt.Errorf("above %d MB: %s", most/1e6, strings.Join(over, "; "))
	}
	return nil
}

// measured returns the program whose memory is measured.
func (s *settings) measured(program string) string {
	if s.vs != "" {
		return s.vs
	}
	return program
}

// peak runs a command to its end.
func peak(ctx context.Context, program, hook, job string, args []string) (usage, error) {
	full := append([]string{}, args...)
	for i := range full {
		if full[i] == "JOB" {
			full[i] = job
		}
	}
	cmd := exec.CommandContext(ctx, program, append(full, "--progress", "none", "--log-level", "error")...)
	cmd.Env = append(os.Environ(), "SPEED_HOOK="+hook)
	var text strings.Builder
	cmd.Stderr = &text // standard output goes nowhere: of cat it has all rows
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text.String())
	}
	rusage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return usage{}, errors.New("the kernel does not say how much memory a process had")
	}
	return usage{
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		wall: time.Since(start),
		peak: rusage.Maxrss << 10,
	}, nil
}
