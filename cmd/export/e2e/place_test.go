package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"b24export/cmd/export/e2e/internal/servers"
	"b24export/pipeline"
	"b24export/sinks"
)

// place is the place of a dataset: its URL for the program, and the folder with its
// files for the test. Behind the S3 gateway, too, an object is a file.
type place struct {
	url string
	dir string
	env []string
}

// places are the kinds of storage for the hard tests.
var places = []struct {
	name string
	open func(t *testing.T) place
}{
	{"folder", newFolder},
	{"s3", func(t *testing.T) place {
		gateway := servers.StartS3(t)
		setEnv(t, gateway.Env())
		return newBucket(t, gateway, "warehouse")
	}},
}

func newFolder(t *testing.T) place {
	dir := filepath.Join(t.TempDir(), "warehouse")
	return place{url: dir, dir: dir}
}

// newBucket creates a bucket in a gateway whose account is in the environment.
func newBucket(t *testing.T, gateway *servers.S3, name string) place {
	return place{url: gateway.Bucket(t, name), dir: filepath.Join(gateway.Dir, name), env: gateway.Env()}
}

// setEnv sets a child's environment for the test's own process until the test ends.
func setEnv(t *testing.T, env []string) {
	t.Helper()
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		t.Setenv(key, value)
	}
}

// The names of a dataset's objects, as the documentation has them.
const (
	currentTable = "payments/portal=acme/payments.parquet"
	runsFolder   = "_runs/payments/portal=acme"
	stateFolder  = "_state/payments/portal=acme"
)

func (p place) path(key string) string { return filepath.Join(p.dir, filepath.FromSlash(key)) }

// current returns the path of the current table.
func (p place) current() string { return p.path(currentTable) }

// objects returns the keys of all objects, sorted. It ignores the gateway's own folder
// for uploads.
func (p place) objects(t testing.TB) []string {
	t.Helper()
	var keys []string
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err):
			return nil // deleted in the meantime
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".sgwtmp":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		key, err := filepath.Rel(p.dir, path)
		keys = append(keys, filepath.ToSlash(key))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// manifests returns all manifests, oldest first.
func (p place) manifests(t testing.TB) []pipeline.Manifest {
	t.Helper()
	var all []pipeline.Manifest
	for _, key := range p.objects(t) {
		if filepath.ToSlash(filepath.Dir(key)) != runsFolder || filepath.Ext(key) != ".json" {
			continue // such as one that is being written
		}
		var m pipeline.Manifest
		p.readJSON(t, key, &m)
		all = append(all, m)
	}
	return all
}

func (p place) readJSON(t testing.TB, key string, v any) {
	t.Helper()
	data, err := os.ReadFile(p.path(key))
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
}

// sum returns the SHA-256 of a file.
func (p place) sum(t testing.TB, key string) string {
	t.Helper()
	data, err := os.ReadFile(p.path(key))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// wantWhole compares the files of the place with its manifests. Each file of a manifest
// exists, byte by byte. The current table is that of the newest snapshot. There is
// nothing else, except the last checkpoint, the record of the last run, and the record
// that the store honours conditional writes.
func (p place) wantWhole(t testing.TB) {
	t.Helper()
	known := map[string]bool{currentTable: true, stateFolder + "/attempt.json": true}
	manifests := p.manifests(t)
	for _, m := range manifests {
		known[runsFolder+"/"+string(m.Snapshot)+".json"] = true
		for _, f := range m.Files {
			known[f.Path] = true
			if got := p.sum(t, f.Path); got != f.SHA256 {
				t.Errorf("%s has SHA-256 %s, its manifest says %s", f.Path, got, f.SHA256)
			}
		}
	}
	if len(manifests) == 0 {
		t.Fatalf("no manifest among %v", p.objects(t))
	}
	newest := manifests[len(manifests)-1]
	if got, want := p.sum(t, currentTable), tableOf(t, newest).SHA256; got != want {
		t.Errorf("the current table has SHA-256 %s, snapshot %s says %s", got, newest.Snapshot, want)
	}
	var checkpoints []string
	for _, key := range p.objects(t) {
		switch {
		case checkpointName.MatchString(key):
			checkpoints = append(checkpoints, key)
		case proofName.MatchString(key): // only buckets have it
		case !known[key]:
			t.Errorf("%s is there, and no manifest knows it", key)
		}
	}
	if len(checkpoints) != 1 {
		t.Errorf("checkpoints %v are there, want one", checkpoints)
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if _, err := os.Stat(p.path(key)); err != nil {
			t.Errorf("a manifest names what is not there: %v", err)
		}
	}
}

var (
	checkpointName = regexp.MustCompile(`^` + stateFolder + `/checkpoint-[0-9]{8}\.json$`)
	proofName      = regexp.MustCompile(`^_state/conditional-[0-9a-f]{16}\.json$`)
	leaseName      = regexp.MustCompile(`^` + stateFolder + `/lease-[0-9]{8}\.json$`)
	tableName      = regexp.MustCompile(`^payments_history/portal=acme/snapshot=[0-9TZ]+/payments\.parquet$`)
)

// tableOf returns the table's entry in a manifest.
func tableOf(t testing.TB, m pipeline.Manifest) pipeline.File {
	t.Helper()
	for _, f := range m.Files {
		if tableName.MatchString(f.Path) {
			return f
		}
	}
	t.Fatalf("manifest %s names no table: %v", m.Snapshot, m.Files)
	return pipeline.File{}
}

// checkpoint returns the newest checkpoint. ok is false if there is none.
func (p place) checkpoint(t testing.TB) (cp pipeline.Checkpoint, ok bool) {
	t.Helper()
	entries, err := os.ReadDir(p.path(stateFolder))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(entries) {
		if key := stateFolder + "/" + e.Name(); checkpointName.MatchString(key) {
			data, err := os.ReadFile(p.path(key))
			// A running program may be writing or deleting it.
			if err != nil || json.Unmarshal(data, &cp) != nil {
				return pipeline.Checkpoint{}, false
			}
			return cp, true
		}
	}
	return cp, false
}

// endLeases ends all leases, as a minute does. The next run then treats a stopped run
// as dead. (It detects a process that has ended by itself.)
func (p place) endLeases(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store, err := sinks.OpenStore(ctx, p.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, key := range p.objects(t) {
		if !leaseName.MatchString(key) {
			continue
		}
		data, err := store.Read(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		var lease map[string]any
		if err := json.Unmarshal(data, &lease); err != nil {
			t.Fatal(err)
		}
		if _, ok := lease["expires"]; !ok {
			t.Fatalf("lease without its end: %s", data)
		}
		lease["expires"] = time.Now().Add(-time.Second).UTC()
		if data, err = json.Marshal(lease); err != nil {
			t.Fatal(err)
		}
		err = store.Put(ctx, key, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// age makes all objects look as if they had been written hours ago.
func (p place) age(t testing.TB) {
	t.Helper()
	old := time.Now().Add(-3 * time.Hour)
	for _, key := range p.objects(t) {
		if err := os.Chtimes(p.path(key), old, old); err != nil {
			t.Fatal(err)
		}
	}
}
