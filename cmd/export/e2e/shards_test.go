package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/jobs"
)

// TestShards runs one job of 24 portals like the six pods of a Kubernetes indexed Job,
// which differ only in JOB_COMPLETION_INDEX. One of them is killed in the middle of its
// work, and started again as Kubernetes does it. Each portal is then exported exactly
// once. A portal that was published before the kill may be checked again, without
// changes.
func TestShards(t *testing.T) {
	const shards, portals, payments = 6, 24, 700
	const victim = 3
	type exported struct {
		portal *bitrixtest.Portal
		hold   *hold
		mine   bool // it belongs to the killed pod
		path   string
	}
	all := make(map[string]*exported)
	p := newFolder(t)
	var included []any
	var early string // the portal of the killed pod that is complete at the kill
	var held []*hold // its other portals
	var reached []<-chan struct{}
	for i := range portals {
		name := fmt.Sprintf("portal-%02d", i)
		mine := jobs.Shard{I: victim, N: shards}.Owns(name)
		e := &exported{
			portal: bitrixtest.New(bitrixtest.Options{
				// A restart may ask again for what was read since a checkpoint. All
				// other pods must not ask for anything twice.
				Seed: uint64(i + 1), Payments: payments + i, AllowRegets: mine, Strict: t,
			}),
			mine: mine,
			path: p.path("payments/portal=" + name + "/payments.parquet"),
		}
		e.hold = newHold(e.portal)
		switch {
		case mine && early == "":
			early = name
		case mine:
			held = append(held, e.hold)
			reached = append(reached, e.hold.after(12))
		}
		all[name] = e
		included = append(included, map[string]any{
			"name": name, "webhook": serve(t, e.portal, e.hold), "plan": "unlimited", "limits": map[string]any{"operating": 0, "concurrency": 1},
		})
	}
	if len(held) == 0 {
		t.Fatalf("shard %d of %d has too few portals to cut one off", victim, shards)
	}
	j := newJob("", p.url).with("checkpoint", "rows", 100)
	delete(j, "portals")
	j["include"] = "portals.yaml"
	file := j.write(t)
	list, err := json.Marshal(map[string]any{"portals": included})
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(file), "portals.yaml"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	pods := make([]*procs.Process, shards)
	for i := range pods {
		pods[i] = startRun(t, podEnv(i, shards), file)
	}
	for _, r := range reached {
		select {
		case <-r:
		case <-ctx.Done():
			t.Fatalf("a portal that was to hold its pod back was not asked; it said:\n%s", pods[victim].Stderr())
		}
	}
	await := func(what, pattern string) {
		poll := time.NewTicker(5 * time.Millisecond)
		defer poll.Stop()
		for len(p.matching(t, pattern)) == 0 {
			select {
			case <-poll.C:
			case <-ctx.Done():
				t.Fatalf("no %s; the pod said:\n%s", what, pods[victim].Stderr())
			}
		}
	}
	for name, e := range all {
		if e.mine && name != early {
			await("checkpoint of "+name, "_state/payments/portal="+name+"/checkpoint-*.json")
		}
	}
	await("snapshot of "+early, "_runs/payments/portal="+early+"/*.json")
	pods[victim].Signal(t, syscall.SIGKILL)
	if exit := pods[victim].Wait(t, ctx); !exit.Killed {
		t.Fatalf("pod %d ended with %d before it was killed:\n%s", victim, exit.Code, exit.Stderr)
	}
	for _, h := range held {
		h.release()
	}
	pods[victim] = startRun(t, podEnv(victim, shards), file)

	done, resumed := make(map[string]int), make(map[string]bool)
	for i, pod := range pods {
		exit := pod.Wait(t, ctx)
		if exit.Code != 0 {
			t.Errorf("pod %d: exit code %d; it said:\n%s", i, exit.Code, exit.Stderr)
		}
		for _, o := range outcomesOf(t, exit.Stdout) {
			if want := (jobs.Shard{I: i, N: shards}); !want.Owns(o.Portal) {
				t.Errorf("pod %d did %s, which is not its own", i, o.Portal)
			}
			done[o.Portal]++
			resumed[o.Portal] = o.Resumed
			switch cut := all[o.Portal].mine; {
			case o.Portal != early && o.Resumed != cut:
				t.Errorf("%s: resumed %t, want %t", o.Portal, o.Resumed, cut)
			// A run between its manifest and its cleaning up is resumed too.
			case o.Portal == early && !o.Resumed && o.Changes.Sum() != 0:
				t.Errorf("%s was published before the kill, and the restart changed %+v", early, o.Changes)
			}
		}
	}
	for name, e := range all {
		if done[name] != 1 {
			t.Errorf("%s was done by %d pods", name, done[name])
		}
		want := 1
		if name == early && !resumed[early] {
			want = 2
		}
		if got := p.matching(t, "_runs/payments/portal="+name+"/*.json"); len(got) != want {
			t.Errorf("%s has the snapshots %v, want %d", name, got, want)
		}
		if diff := table.Diff(table.ArrowPayments(t, e.path), truth(e.portal)); diff != "" {
			t.Errorf("the table of %s differs from the portal:\n%s", name, diff)
		}
	}
}

// matching returns the files of a place whose path matches.
func (p place) matching(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(p.path(pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// podEnv returns the variables of Kubernetes and of deploy/kubernetes/fleet.yaml.
func podEnv(i, shards int) []string {
	return []string{"JOB_COMPLETION_INDEX=" + strconv.Itoa(i), "B24EXPORT_SHARDS=" + strconv.Itoa(shards)}
}

// outcomesOf returns the last lines of a run of several portals, one for each.
func outcomesOf(t *testing.T, stdout []byte) []outcome {
	t.Helper()
	var all []outcome
	for line := range bytes.Lines(stdout) {
		var is struct{ Exit *int }
		if err := json.Unmarshal(line, &is); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if is.Exit == nil {
			continue
		}
		var o outcome
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, o)
	}
	return all
}

// hold passes a number of requests to a portal, and holds back the others until it is
// released. A run that it holds back cannot end, so a test may take its time.
type hold struct {
	next http.Handler

	mu      sync.Mutex
	left    int           // negative: all pass
	reached chan struct{} // closed when a request is held back
	open    chan struct{} // closed by release
}

func newHold(next http.Handler) *hold { return &hold{next: next, left: -1} }

// after makes it pass n more requests. The result is closed when one is held back.
func (h *hold) after(n int) (reached <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left, h.reached, h.open = n, make(chan struct{}), make(chan struct{})
	return h.reached
}

// release makes it pass all requests, also those that it holds back.
func (h *hold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left >= 0 {
		h.left = -1
		close(h.open)
	}
}

// pass counts a request. It returns what the request must wait for, nil for nothing.
func (h *hold) pass() (open <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.left < 0:
		return nil
	case h.left > 0:
		h.left--
		return nil
	}
	select {
	case <-h.reached:
	default:
		close(h.reached)
	}
	return h.open
}

func (h *hold) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if open := h.pass(); open != nil {
		select {
		case <-open:
		case <-r.Context().Done():
			return // its client has gone
		}
	}
	h.next.ServeHTTP(w, r)
}
