// Command limits measures how near an export comes to the least time that a portal's
// limits allow. It serves the fake portal over TLS, exports it as the program does, and
// prints a line: how long it took, the least time for that many requests, and what the
// portal refused. With -peer, the vendor's own SDK for JavaScript reads an equal portal
// in the same run: once as its documentation shows it, and once with concurrency
// written by hand.
//
// Run it in cmd/export/e2e, after npm ci if with -peer:
//
//	go run ./limits -payments 10000 -latency 1.2s -peer
//
// Times are those of the portal's clock: with -speed 60, a minute of that clock takes a
// second.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings configures the portal and its clients.
type settings struct {
	payments        int
	seed            uint64
	rate            float64
	burst           int
	latency, jitter time.Duration
	operating       time.Duration // 0: no budget
	window          time.Duration
	charge          string
	get             time.Duration // what a get costs
	takeTime        bool
	speed           float64

	enrich      string
	share       float64
	concurrency int
	neighbour   float64
	peer        bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
}

// run is the command without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	f := flag.NewFlagSet("limits", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&s.payments, "payments", 10_000, "how many payments the portal has")
	f.Uint64Var(&s.seed, "seed", 1, "what its data follow from")
	f.Float64Var(&s.rate, "rate", 2, "requests a second by which its counter falls; 0: no limit")
	f.IntVar(&s.burst, "burst", 50, "what the counter may rise to")
	f.DurationVar(&s.latency, "latency", 1200*time.Millisecond, "how long an answer is under way")
	f.DurationVar(&s.jitter, "jitter", 0, "what may come on top of it")
	f.DurationVar(&s.operating, "operating", 0, "a method's budget in a window, such as 480s; 0: none")
	f.DurationVar(&s.window, "operating-window", 10*time.Minute, "that window")
	f.StringVar(&s.charge, "charge", "inner", "who pays for a batch: inner methods, or batch itself")
	f.DurationVar(&s.get, "get", 50*time.Millisecond, "what a get costs of the portal's time")
	f.BoolVar(&s.takeTime, "take-time", false, "let that time pass as well, on top of the latency")
	f.Float64Var(&s.speed, "speed", 1, "how much faster all clocks run")
	f.StringVar(&s.enrich, "enrich", "get", "get each payment, or take what the list shows: get, list")
	f.Float64Var(&s.share, "share", 1, "the job's limits.share")
	f.IntVar(&s.concurrency, "concurrency", 0, "the job's limits.concurrency; 0: its default")
	f.Float64Var(&s.neighbour, "neighbour", 0, "requests a second that another client of the portal sends meanwhile")
	f.BoolVar(&s.peer, "peer", false, "let @bitrix24/b24jssdk read an equal portal too")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("argument %q: there are none, only flags", f.Arg(0))
	}
	if s.speed <= 0 || s.window <= 0 {
		return errors.New("-speed and -operating-window: must be above 0")
	}
	return bench(ctx, &s, stdout)
}

// onTheClock returns the real time of d on the portal's clock.
func (s *settings) onTheClock(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.speed)
}

// ofThePortal returns the time on the portal's clock for d.
func (s *settings) ofThePortal(d time.Duration) time.Duration {
	return time.Duration(float64(d) * s.speed)
}
