package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// nights is how many nights are run with each way to find changes.
const nights = 122

// TestYearOfNights: each night some payments change, runs are killed, and backfills
// run. After each night the table is the portal's, the change feed is the difference
// between the two tables, and all feeds, applied to an empty table, produce the table.
func TestYearOfNights(t *testing.T) {
	slow(t)
	for _, since := range []string{"list", "orders", "events"} {
		t.Run(since, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { year(t, since) })
		})
	}
}

func year(t *testing.T, since string) {
	dice := rand.New(rand.NewPCG(7, uint64(len(since))))
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 400, Refuse: 0.01, AllowRegets: true, Strict: t})
	const common = "rejects: {max: 10%}\ncheckpoint: {rows: 60}\n"
	nightly := newSinceJob(t, portal, since, common)
	nightly.spec.Portals[0].Limits.Concurrency = 2
	nightly.spec.Sink.Compression = "none"
	folder := nightly.folder
	table, replayed := map[int64]schemas.Payment{}, map[int64]schemas.Payment{}
	kills, backfills, byChanges := 0, 0, 0
	var last pipeline.SnapshotID

	for night := range nights {
		portal.Mutate(dice.IntN(40), uint64(night))
		job, backfill := nightly, night > 0 && dice.IntN(8) == 0
		if backfill {
			backfills++
			from := 1993 + dice.IntN(7) // a bubble's clock starts in 2000
			days := fmt.Sprintf("{from: %d-06-01, to: %d-06-01}", from, from+1+dice.IntN(3))
			job = newRunJob(t, portal, "mode: backfill\nbackfill: {billed: "+days+"}\n"+common)
			job.spec.Portals = nightly.spec.Portals
			job.spec.Sink.Compression = "none"
		}
		var out jobs.Outcome
		for killed := true; killed; {
			job.folder, job.spec.Sink.URL = folder, folder
			k := &kill{from: folder, to: t.TempDir(), next: portal.RoundTripper()}
			if dice.IntN(2) == 0 {
				k.left = 1 + dice.IntN(12)
			}
			out = k.run(t, job)
			if killed = k.dead; killed {
				kills++
				folder = k.to
				time.Sleep(time.Hour) // the lease of the killed run expires
			}
		}
		if out.Exit != jobs.ExitRejects && out.Exit != jobs.ExitComplete {
			t.Fatalf("night %d: exit %d: %v", night, out.Exit, out.Err)
		}
		if m := out.Summary.Manifest; m.Since != nil && m.Since.By == since {
			byChanges++
		}
		job.folder = folder
		// A run that was killed after its manifest has published nevertheless.
		for _, m := range job.since(t, last) {
			last = m.Snapshot
			now := job.table(t, fmt.Sprintf("payments_history/portal=acme/snapshot=%s/payments.parquet", m.Snapshot))
			feed := job.feed(t, m)
			if diff := cmp.Diff(difference(table, now), feed); diff != "" {
				t.Fatalf("night %d, snapshot %s: change feed (-difference of the tables +got):\n%s", night, last, diff)
			}
			for _, c := range feed {
				if c.Op == sinks.OpDelete {
					delete(replayed, c.Payment.ID)
				} else {
					replayed[c.Payment.ID] = c.Payment
				}
			}
			table = now
		}
		got := job.table(t, "payments/portal=acme/payments.parquet")
		if diff := diffUnless(maps.Equal(got, replayed), got, replayed); diff != "" {
			t.Fatalf("night %d: all feeds, played from nothing (-table +got):\n%s", night, diff)
		}
		if !backfill {
			want := map[int64]schemas.Payment{}
			for p := range portal.All() {
				if !p.Refused {
					want[p.ID] = wantRow(t, p)
				}
			}
			if diff := diffUnless(maps.Equal(want, got), want, got); diff != "" {
				t.Fatalf("night %d: table (-portal +got):\n%s", night, diff)
			}
		}
		time.Sleep(time.Duration(20+dice.IntN(8)) * time.Hour)
	}
	t.Logf("%d nights: %d kills, %d backfills, %d by %s", nights, kills, backfills, byChanges, since)
	if kills < nights/8 || backfills < nights/20 || since != "list" && byChanges < nights/2 {
		t.Errorf("%d kills, %d backfills, %d nights by %s: too few to mean anything", kills, backfills, byChanges, since)
	}
}

// dataset opens the job's dataset.
func (e *runJob) dataset(t *testing.T) *sinks.Dataset {
	t.Helper()
	data, closeData, err := jobs.OpenDataset(t.Context(), e.spec, "acme", e.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeData(); err != nil {
			t.Error(err)
		}
	})
	return data
}

// since returns the manifests of the snapshots after one, oldest first.
func (e *runJob) since(t *testing.T, last pipeline.SnapshotID) []*pipeline.Manifest {
	t.Helper()
	all, err := e.dataset(t).Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return slices.DeleteFunc(all, func(m *pipeline.Manifest) bool { return m.Snapshot <= last })
}

// table reads a table by id, without the times of reading.
func (e *runJob) table(t *testing.T, key string) map[int64]schemas.Payment {
	t.Helper()
	store, err := sinks.OpenFolder(e.folder)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows := map[int64]schemas.Payment{}
	for row, err := range sinks.Payments(t.Context(), store, key, sinks.Above(0)) {
		if err != nil {
			t.Fatal(err)
		}
		r := *row
		r.ExtractedAt = schemas.Null[schemas.Instant]{}
		rows[r.ID] = r
	}
	return rows
}

// feed reads a snapshot's changes, without the times of reading.
func (e *runJob) feed(t *testing.T, m *pipeline.Manifest) []sinks.Change {
	t.Helper()
	if m.Changes.Sum() == 0 {
		return nil
	}
	store, err := sinks.OpenFolder(e.folder)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var feed []sinks.Change
	for c, err := range sinks.New(store, &sinks.Options{Portal: "acme"}).ReadChanges(t.Context(), m) {
		if err != nil {
			t.Fatal(err)
		}
		change := *c
		change.Changed = slices.Clone(c.Changed)
		change.Payment.ExtractedAt = schemas.Null[schemas.Instant]{}
		feed = append(feed, change)
	}
	return feed
}

// difference returns what a change feed must contain, from the tables alone.
func difference(before, after map[int64]schemas.Payment) []sinks.Change {
	ids := maps.Clone(before)
	maps.Copy(ids, after)
	var feed []sinks.Change
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		was, had := before[id]
		is, has := after[id]
		switch {
		case !had:
			feed = append(feed, sinks.Change{Op: "insert", Payment: is})
		case !has:
			feed = append(feed, sinks.Change{Op: "delete", Payment: was})
		case was != is:
			feed = append(feed, sinks.Change{Op: "update", Changed: changedColumns(&was, &is), Payment: is})
		}
	}
	return feed
}

// changedColumns names the columns that a mutation of the fake portal can change.
func changedColumns(was, is *schemas.Payment) (names []string) {
	for _, c := range []struct {
		name    string
		differs bool
	}{
		{"paid", was.Paid != is.Paid}, {"date_paid", was.DatePaid != is.DatePaid},
		{"emp_paid_id", was.EmpPaidID != is.EmpPaidID}, {"sum", was.Sum != is.Sum},
	} {
		if c.differs {
			names = append(names, c.name)
		}
	}
	return names
}

// kill ends a process as SIGKILL does, as far as others can see: at some request, the
// next run receives a copy of the folder, and the portal receives no further request of
// this run.
type kill struct {
	from, to string
	next     http.RoundTripper
	left     int // requests until then; 0: never

	mu   sync.Mutex
	dead bool
	stop context.CancelFunc
	err  error
}

func (k *kill) run(t *testing.T, job *runJob) jobs.Outcome {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	k.stop = stop
	opts := *job.opts
	opts.Transport = k
	out := jobs.Run(ctx, job.spec, &opts)[0]
	if k.err != nil {
		t.Fatal(k.err)
	}
	return out
}

func (k *kill) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.now() {
		return nil, errors.New("killed")
	}
	return k.next.RoundTrip(r)
}

func (k *kill) now() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left--; k.left == 0 && !k.dead {
		k.dead = true
		k.err = copyFolder(k.from, k.to)
		k.stop()
	}
	return k.dead
}

// copyFolder copies a folder as it is at one moment: it repeats the copy if the folder
// has changed meanwhile.
func copyFolder(from, to string) error {
	for {
		before, err := entries(from)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		for name := range before {
			data, err := os.ReadFile(filepath.Join(from, name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			path := filepath.Join(to, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				return err
			}
		}
		after, err := entries(from)
		if err != nil {
			return err
		}
		if maps.Equal(before, after) {
			return os.MkdirAll(to, 0o700)
		}
	}
}

// entries returns a folder's files, except those that are being written.
func entries(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		files[name] = fmt.Sprint(info.Size(), info.ModTime())
		return err
	})
	return files, err
}
