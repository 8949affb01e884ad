package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// client reads all payments of a site's portal.
type client struct {
	name string
	read func(ctx context.Context, s *settings, at *site, dir string) (payments int64, span time.Duration, err error)
}

// bench runs one client after the other on the portal, and prints the table. A client
// that fails also has a line, and results in an error.
func bench(ctx context.Context, s *settings, stdout io.Writer) error {
	clients := []client{{"b24export", export}}
	if s.peer {
		clients = append(clients,
			client{"b24jssdk, as documented", peer("documented")},
			client{"b24jssdk, concurrency by hand", peer("by-hand")})
	}
	fmt.Fprintf(stdout, "%d payments, %s; times of the portal's clock, %vx as fast as the real one\n\n", s.payments, s.limits(), s.speed)
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "client\tpayments\tspan\tleast possible\tratio\trequests\t503\t429\t")
	var failed error
	for _, c := range clients {
		if ctx.Err() != nil {
			break
		}
		if err := s.measure(ctx, c, w); err != nil {
			failed = fmt.Errorf("%s: %w", c.name, err)
			fmt.Fprintf(w, "%s\tfailed\t\t\t\t\t\t\t\n", c.name)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return failed
}

// limits returns the settings for the heading of the table.
func (s *settings) limits() string {
	text := "no rate limit"
	if s.rate > 0 {
		text = fmt.Sprintf("%v requests a second, %d at once", s.rate, s.burst)
	}
	if s.operating > 0 {
		text += fmt.Sprintf(", %v in %v charged to %s", s.operating, s.window, s.charge)
	}
	text += fmt.Sprintf(", answers in %v", s.latency)
	if s.jitter > 0 {
		text += fmt.Sprintf(" to %v", s.latency+s.jitter)
	}
	if s.takeTime {
		text += " and the portal's time"
	}
	return text
}

// measure runs one client on a new portal, and writes its line, and the neighbour's if
// there is one.
func (s *settings) measure(ctx context.Context, c client, w io.Writer) error {
	dir, err := os.MkdirTemp("", "b24export-limits-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	at, err := open(s, dir)
	if err != nil {
		return err
	}
	defer at.server.Close()
	stop := func() {}
	if s.neighbour > 0 {
		stop = at.live(ctx, s.onTheClock(time.Duration(float64(time.Second)/s.neighbour)))
	}
	payments, span, err := c.read(ctx, s, at, dir)
	stop()
	if err != nil {
		return err
	}
	if payments != at.portal.Count() {
		return fmt.Errorf("%d payments of %d", payments, at.portal.Count())
	}
	visits := at.take(false)
	begin := visits[0].at
	for _, v := range visits {
		if v.at.Before(begin) {
			begin = v.at
		}
	}
	basket := s.onTheClock(s.window) / 10
	least := s.leastSpan(visits, s.ofThePortal(time.Duration(begin.UnixNano()%int64(basket))))
	took := s.ofThePortal(span)
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.3f\t%d\t%d\t%d\t\n", c.name, payments, seconds(took), seconds(least),
		took.Seconds()/least.Seconds(), len(visits), refusals(visits), at.portal.Stats().RefusedCommands)
	if s.neighbour > 0 {
		others := at.take(true)
		fmt.Fprintf(w, "its neighbour\t\t\t\t\t%d\t%d\t\t\n", len(others), refusals(others))
	}
	return nil
}

func refusals(visits []visit) int {
	n := 0
	for _, v := range visits {
		if v.refused {
			n++
		}
	}
	return n
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
