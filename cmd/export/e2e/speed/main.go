// Command speed measures the cost of an export for the machine: processor time per row
// and peak memory of the whole process. The fake portal has no limits and runs in
// separate processes. The command runs the program as people do, from the listing to
// the manifest, and prints what the kernel measured.
//
// Run it in cmd/export/e2e:
//
//	go run ./speed -payments 500000
//	go run ./speed -payments 500000,5000000
//	go run ./speed -payments 1000000,10000x100
//	go run ./speed -payments 500000 -vs ../../../b24export-1.0
//	go run ./speed -payments 500000 -beside -latency 250ms
//	go run ./speed -memory
//	go run ./speed -lookup
//
// -beside also runs two programs that make the same requests; see floor.go. With -few
// they list only the fields that a get needs. -latency is the portal's time for each
// answer, because waiting costs processor time too.
//
// -memory prints the peak memory of commands whose rows or answers are large; see memory.go.
// With -vs it measures the other build alone. It fails if a peak is above 200 MB.
//
// -lookup prints the processor time of version, and of cat for a single payment; see
// lookup.go. It needs one portal, and a million payments by default.
//
// 10000x100 means a hundred portals of 10,000 payments each, exported by one process.
// All cases are measured in turn, so that their ratios are valid although the machine's
// speed changes. It runs on Linux only.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"b24export/schemas"
)

// settings configures the measurement.
type settings struct {
	cases  []fleet
	runs   int
	vs     string
	enrich string
	beside bool
	few    bool
	// latency is the portal's time for an answer.
	latency time.Duration
	// part divides the payments of -memory, for the tests.
	part int
	// only is a part of the description of the portals of -memory.
	only string
}

// fleet is a number of portals with as many payments each.
type fleet struct{ payments, portals int }

func (f fleet) String() string {
	if f.portals == 1 {
		return strconv.Itoa(f.payments)
	}
	return fmt.Sprintf("%dx%d", f.payments, f.portals)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if args := os.Args[1:]; len(args) == 5 && args[0] == "peer" && peers[args[1]] != nil {
		if err := runPeer(ctx, peers[args[1]](), strings.Split(args[2], ","), args[3], args[4]); err != nil {
			fmt.Fprintln(os.Stderr, args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

// run is the command without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	f := flag.NewFlagSet("speed", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("payments", "how many payments a portal has; more cases between commas, NxM for M portals", s.parse)
	f.IntVar(&s.runs, "runs", 3, "how often each case is run, after a run that does not count")
	f.StringVar(&s.vs, "vs", "", "another build of the program, to be run in turn with this one")
	f.StringVar(&s.enrich, "enrich", "get", "get each payment, or take what the list shows: get, list")
	f.BoolVar(&s.beside, "beside", false, "also run the programs floor and naive, with cases of one portal")
	f.BoolVar(&s.few, "few", false, "with -beside: let them list only the fields that a get needs")
	f.DurationVar(&s.latency, "latency", 0, "how long the portal takes for each answer")
	memory := f.Bool("memory", false, "print the peak memory of commands whose rows or answers are large")
	lookup := f.Bool("lookup", false, "print the processor time of version and of looking up one payment")
	f.StringVar(&s.only, "only", "", "with -memory: only the portals with this text in their description")
	f.IntVar(&s.part, "part", 1, "with -memory: divide the number of payments by this")
	if err := f.Parse(args); err != nil {
		return err
	}
	if s.beside && s.enrich != "get" {
		return errors.New("-beside is for -enrich get")
	}
	if f.NArg() > 0 || s.runs < 1 || s.part < 1 {
		return errors.New("usage: speed [-payments N[xM][,…]] [-runs N] [-vs PROGRAM] [-beside [-few]] [-latency TIME]; -runs must be 1 or more")
	}
	if *lookup && len(s.cases) == 0 {
		s.cases = []fleet{{lookupPayments, 1}}
	}
	if len(s.cases) == 0 {
		s.cases = []fleet{{500_000, 1}}
	}
	dir, err := os.MkdirTemp("", "b24export-speed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := build(ctx, dir)
	if err != nil {
		return err
	}
	if s.vs != "" {
		if s.vs, err = filepath.Abs(s.vs); err != nil {
			return err
		}
	}
	switch {
	case *memory:
		return s.memory(ctx, program, dir, mostMemory, stdout)
	case *lookup:
		return s.lookup(ctx, program, dir, s.cases[0], stdout)
	}
	return s.bench(ctx, program, dir, stdout)
}

func (s *settings) parse(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		payments, portals, many := strings.Cut(one, "x")
		f := fleet{portals: 1}
		var err error
		if f.payments, err = strconv.Atoi(payments); err == nil && many {
			f.portals, err = strconv.Atoi(portals)
		}
		if err != nil || f.payments < 1 || f.portals < 1 || f.portals > 250 {
			return fmt.Errorf("%q: must be N or NxM, with at most 250 portals", one)
		}
		s.cases = append(s.cases, f)
	}
	return nil
}

// series has the runs of one program for one case.
type series struct {
	program string
	fleet   fleet
	job     string
	hook    string   // for the portal of a peer
	fields  []string // what a peer lists
	used    []usage
}

// usage has the kernel's figures of an ended process.
type usage struct {
	cpu, wall time.Duration
	peak      int64 // bytes
}

// mostMemory is the peak memory in bytes that -memory allows.
const mostMemory = 200e6

// build builds the program as it is shipped.
func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "b24export")
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "b24export").Output()
	if err != nil {
		return "", fmt.Errorf("find the program: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(root)), "-trimpath",
		"-tags", "grpcnotrace,disable_grpc_modules", "-o", program, "./cmd/export")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return program, nil
}

// bench measures all cases and prints the table.
func (s *settings) bench(ctx context.Context, program, dir string, stdout io.Writer) error {
	programs := []string{program}
	if s.vs != "" {
		programs = append(programs, s.vs)
	}
	fields := schemas.ListFields(nil)
	if s.few {
		fields = []string{"id", "orderId", "dateBill"}
	}
	var all []*series
	for i, f := range s.cases {
		job, hook, stop, err := s.portal(ctx, program, dir, i, f)
		if err != nil {
			return err
		}
		defer stop()
		for _, p := range programs {
			all = append(all, &series{program: p, fleet: f, job: job})
		}
		if s.beside && f.portals == 1 {
			for _, name := range []string{"floor", "naive"} {
				all = append(all, &series{program: name, fleet: f, hook: hook, fields: fields})
			}
		}
	}
	for n := range s.runs + 1 {
		for _, one := range all {
			u, err := one.run(ctx, filepath.Join(dir, "out"))
			if err != nil {
				return err
			}
			if n > 0 {
				one.used = append(one.used, u)
			}
		}
	}
	return table(all, stdout)
}

// run exports once, into a new folder.
func (s *series) run(ctx context.Context, out string) (usage, error) {
	if err := os.RemoveAll(out); err != nil {
		return usage{}, err
	}
	cmd := exec.CommandContext(ctx, s.program, "run", s.job, "--json", "--progress", "none", "--log-level", "error")
	if s.hook != "" {
		self, err := os.Executable()
		if err != nil {
			return usage{}, err
		}
		cmd = exec.CommandContext(ctx, self, "peer", s.program, strings.Join(s.fields, ","), s.hook, out+"."+s.program)
	}
	cmd.Env = append(os.Environ(), "SPEED_OUT="+out)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	start := time.Now()
	if text, err := cmd.CombinedOutput(); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	rusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		wall: time.Since(start),
		peak: rusage.Maxrss << 10,
	}, nil
}

// table prints the medians, and the ratios to the first line.
func table(all []*series, stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "program\tpayments\tµs of CPU a row\tratio\tpeak MiB\trows a second\tseconds\t")
	first := 0.0
	for _, s := range all {
		rows := float64(s.fleet.payments * s.fleet.portals)
		cpu := median(s.used, func(u usage) float64 { return u.cpu.Seconds() })
		wall := median(s.used, func(u usage) float64 { return u.wall.Seconds() })
		peak := median(s.used, func(u usage) float64 { return float64(u.peak) })
		if first == 0 {
			first = cpu / rows
		}
		fmt.Fprintf(w, "%s\t%s\t%.2f\t%.3f\t%.0f\t%.0f\t%.1f\t\n", filepath.Base(s.program), s.fleet,
			cpu/rows*1e6, cpu/rows/first, peak/(1<<20), rows/wall, wall)
	}
	return w.Flush()
}

func median(used []usage, of func(usage) float64) float64 {
	used = slices.SortedFunc(slices.Values(used), func(a, b usage) int { return cmp.Compare(of(a), of(b)) })
	n := len(used)
	return (of(used[(n-1)/2]) + of(used[n/2])) / 2
}
