package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// export does the same as the command run: it lists, gets, merges and publishes into a
// folder. Its span is that of the whole run.
func export(ctx context.Context, s *settings, at *site, dir string) (int64, time.Duration, error) {
	flags := map[string]string{
		"to": filepath.Join(dir, "data"), "mode": "full", "enrich": s.enrich,
		"rate": fmt.Sprint(s.rate * s.speed), "burst": strconv.Itoa(s.burst), "share": fmt.Sprint(s.share),
		"operating": s.onTheClock(s.operating).String(),
	}
	if s.operating > 0 {
		flags["operating-window"] = s.onTheClock(s.window).String()
	}
	if s.concurrency > 0 {
		flags["concurrency"] = strconv.Itoa(s.concurrency)
	}
	spec, err := jobfile.FromFlags(flags, at.webhook())
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	out := jobs.Run(ctx, spec, &jobs.RunOptions{Program: "b24export/limits"})[0]
	span := time.Since(begin)
	if out.Err != nil {
		return 0, 0, out.Err
	}
	return out.Summary.Ledger.Got, span, nil
}

// peerScript is in this folder, so that Node finds the SDK.
const peerScript = "limits/peer.mjs"

// peer returns the client that runs the vendor's SDK in one of the script's ways. Its
// span is what the script measures around its calls: it does not include the start of
// Node, and the client writes nothing.
func peer(way string) func(context.Context, *settings, *site, string) (int64, time.Duration, error) {
	return func(ctx context.Context, s *settings, at *site, _ string) (int64, time.Duration, error) {
		concurrency := s.concurrency
		if concurrency == 0 {
			concurrency = 64 // as b24export's
		}
		node := exec.CommandContext(ctx, "node", peerScript)
		node.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+at.ca, "B24_WEBHOOK="+at.webhook(),
			"WAY="+way, "ENRICH="+s.enrich, "SPEED="+fmt.Sprint(s.speed), "RATE="+fmt.Sprint(s.rate), "BURST="+strconv.Itoa(s.burst),
			"LIMIT_MS="+fmt.Sprint(s.operating.Milliseconds()), "WINDOW_MS="+fmt.Sprint(s.window.Milliseconds()),
			"CONCURRENCY="+strconv.Itoa(concurrency))
		var stderr bytes.Buffer
		node.Stderr = &stderr
		out, err := node.Output()
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %.2000s", err, stderr.String())
		}
		var told struct {
			Payments     int64
			Milliseconds float64
		}
		if err := json.Unmarshal(out, &told); err != nil {
			return 0, 0, fmt.Errorf("read what it printed: %w", err)
		}
		return told.Payments, time.Duration(told.Milliseconds * float64(time.Millisecond)), nil
	}
}

// live sends a request each period from the same address, whatever the portal answers,
// until the returned function is called.
func (p *site) live(ctx context.Context, period time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var life sync.WaitGroup
	life.Go(func() {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				life.Go(func() { p.ask(ctx) })
			}
		}
	})
	return func() {
		cancel()
		life.Wait()
	}
}

// ask sends one request. The site records the result.
func (p *site) ask(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.webhook()+"server.time", strings.NewReader("{}"))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", neighbourAgent)
	if resp, err := p.server.Client().Do(req); err == nil {
		resp.Body.Close()
	}
}
