package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // the bucket as other programs see it

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
)

// TestReaderDuringRuns lets DuckDB read the current table while a dozen runs replace
// it. Each time it sees a whole snapshot, and never an older one than before.
func TestReaderDuringRuns(t *testing.T) {
	var p place
	duck := table.OpenDuckDB(t)
	snapshot := func(key string) string {
		print, err := fingerprint(duck, p.path(key))
		if err != nil {
			t.Error(err)
		}
		return print
	}
	t.Run("open file", func(t *testing.T) {
		p = newFolder(t)
		readDuringRuns(t, p, func(context.Context) (string, error) {
			f, err := os.Open(p.current())
			if err != nil {
				return "", err
			}
			defer f.Close()
			return fingerprint(duck, fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		}, snapshot)
	})
	// DuckDB opens a path once to plan a query and again to read. If the table is
	// replaced in between, it uses the footer of one file for the other, and finds
	// invalid data. This is an error, and another try succeeds. There must be no error
	// without that reason.
	t.Run("path", func(t *testing.T) {
		p = newFolder(t)
		again := 0
		readDuringRuns(t, p, func(ctx context.Context) (string, error) {
			for {
				before, err := os.Stat(p.current())
				if err != nil {
					return "", err
				}
				print, err := fingerprint(duck, p.current())
				if err == nil || ctx.Err() != nil {
					return print, err
				}
				after, serr := os.Stat(p.current())
				if serr != nil {
					return "", serr
				}
				if os.SameFile(before, after) && before.ModTime().Equal(after.ModTime()) {
					return "", err
				}
				again++
			}
		}, snapshot)
		t.Logf("%d queries met with a replacement and were tried again", again)
	})
	// Such readers can use the newest manifest, which names a file that is never
	// replaced. Not one query may fail, however often the engine opens the file.
	t.Run("newest manifest", func(t *testing.T) {
		p = newFolder(t)
		readDuringRuns(t, p, func(context.Context) (string, error) {
			all := p.manifests(t)
			return fingerprint(duck, p.path(tableOf(t, all[len(all)-1]).Path))
		}, snapshot)
	})
}

// TestDownloadDuringRuns does the same with a bucket and whole downloads.
func TestDownloadDuringRuns(t *testing.T) {
	p := places[1].open(t)
	bucket, err := blob.OpenBucket(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	readDuringRuns(t, p, func(ctx context.Context) (string, error) {
		data, err := bucket.ReadAll(ctx, currentTable)
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:]), err
	}, func(key string) string { return p.sum(t, key) })
}

// fingerprint returns a short form of a table's whole content, as DuckDB reads it.
func fingerprint(duck *table.DuckDB, path string) (string, error) {
	return fingerprintOf(duck, "read_parquet("+table.Quote(path)+")")
}

// fingerprintOf returns the fingerprint of anything that can follow FROM.
func fingerprintOf(duck *table.DuckDB, from string) (string, error) {
	rows, err := duck.TryQuery(fmt.Sprintf(`SELECT count(*), count(DISTINCT id), sum(id)::VARCHAR, sum(sum)::VARCHAR, bit_xor(hash(%s))::VARCHAR FROM %s`,
		strings.Join(table.Columns[:], ", "), from), 5)
	if err != nil {
		return "", err
	}
	return strings.Join(rows[0], " "), nil
}

// readDuringRuns calls read without end while runs continue. snapshot returns what read
// must return for a snapshot's table.
func readDuringRuns(t *testing.T, p place, read func(context.Context) (string, error), snapshot func(key string) string) {
	t.Helper()
	portal := bitrixtest.New(bitrixtest.Options{Seed: 9, Payments: 10_000, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), p.url).with("sink", "history", 100)
	j["mode"] = "incremental"
	file := j.write(t)
	runJob(t, p.env, file, 0)

	var (
		seen  []string // the results in order, without repetitions
		reads int
		wg    sync.WaitGroup
	)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	// The reader owns seen, and reads until stop ends it.
	wg.Go(func() {
		for ctx.Err() == nil {
			got, err := read(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				t.Errorf("read the current table: %v", err)
				return
			}
			reads++
			if len(seen) == 0 || seen[len(seen)-1] != got {
				seen = append(seen, got)
			}
		}
	})
	const runs = 12
	for run := range runs {
		portal.Mutate(400, uint64(run))
		runJob(t, p.env, file, 0)
	}
	stop()
	wg.Wait()

	var snapshots []string
	for _, m := range p.manifests(t) {
		snapshots = append(snapshots, snapshot(tableOf(t, m).Path))
	}
	if len(snapshots) != runs+1 {
		t.Fatalf("%d snapshots, want %d", len(snapshots), runs+1)
	}
	at := 0
	for _, s := range seen {
		i := slices.Index(snapshots[at:], s)
		if i < 0 {
			t.Errorf("a reader saw what is no snapshot, or one that it had seen replaced: %s", s)
			continue
		}
		at += i
	}
	t.Logf("%d reads saw %d of %d snapshots", reads, len(seen), len(snapshots))
	if len(seen) < runs/2 {
		t.Errorf("the reader saw only %d of %d snapshots: too slow to tell", len(seen), len(snapshots))
	}
	wantTable(t, p, portal)
	if _, err := os.Stat(p.current()); err != nil {
		t.Error(err)
	}
}
