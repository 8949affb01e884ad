package jobs

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/sinks"
	"b24export/sinks/sinktest"
)

// lax is a store that accepts a condition and ignores it, as some servers do.
type lax struct{ sinks.Store }

func (s lax) Create(ctx context.Context, key string, data []byte) error {
	return s.Put(ctx, key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// racy is a store that compares a condition with the object as it was a moment ago.
type racy struct{ sinks.Store }

func (s racy) Create(ctx context.Context, key string, data []byte) error {
	if _, err := s.Read(ctx, key); err == nil {
		return sinks.ErrExists
	}
	time.Sleep(time.Second) // virtual time
	return lax(s).Create(ctx, key, data)
}

// blind is a store that lists nothing.
type blind struct{ sinks.Store }

func (blind) List(context.Context, string) iter.Seq2[sinks.Entry, error] {
	return func(func(sinks.Entry, error) bool) {}
}

func memory(t *testing.T) sinks.Store {
	t.Helper()
	store, err := sinks.OpenStore(t.Context(), "mem://", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestCheckOfStores(t *testing.T) {
	denied := func(kind sinktest.Kind) func(sinks.Store) sinks.Store {
		return func(s sinks.Store) sinks.Store {
			return sinktest.Faulty(s, func(e sinktest.Effect) sinktest.Answer {
				if e.Kind == kind {
					return sinktest.Refuse
				}
				return sinktest.Do
			})
		}
	}
	for _, tt := range []struct {
		name   string
		wrap   func(sinks.Store) sinks.Store
		unsafe bool
		want   string
		leaves bool
	}{
		{name: "good", wrap: func(s sinks.Store) sinks.Store { return s },
			want: "write ok, conditional_write ok, read ok, list ok, delete ok"},
		{name: "ignores conditions", wrap: func(s sinks.Store) sinks.Store { return lax{s} },
			want: "write ok, conditional_write failed, read ok, list ok, delete ok"},
		{name: "ignores conditions, and may", wrap: func(s sinks.Store) sinks.Store { return lax{s} }, unsafe: true,
			want: "write ok, conditional_write warning, read ok, list ok, delete ok"},
		{name: "lets two through at the same time", wrap: func(s sinks.Store) sinks.Store { return racy{s} },
			want: "write ok, conditional_write failed, read ok, list ok, delete ok"},
		{name: "lists nothing", wrap: func(s sinks.Store) sinks.Store { return blind{s} },
			want: "write ok, conditional_write ok, read ok, list failed, delete ok"},
		{name: "cannot be written", wrap: denied(sinktest.Put),
			want: "write failed, list ok"},
		{name: "cannot be created in", wrap: denied(sinktest.Create),
			want: "write ok, conditional_write failed, read ok, list ok, delete ok"},
		{name: "nothing can be deleted", wrap: denied(sinktest.Delete), leaves: true,
			want: "write ok, conditional_write failed, read ok, list ok, delete failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := memory(t)
			var r report
			synctest.Test(t, func(t *testing.T) {
				r.store(t.Context(), tt.wrap(store), "_state/payments/portal=acme/", tt.unsafe)
			})
			var got []string
			for _, line := range r.lines {
				got = append(got, strings.TrimPrefix(line.Check, "sink.")+" "+string(line.State))
				if (line.State == CheckFailed) != (line.Exit == ExitFailed) || (line.State == CheckOK) != (line.Hint == "") {
					t.Errorf("%+v", line)
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), tt.want)
			}
			for e, err := range store.List(t.Context(), "") {
				if err != nil || !tt.leaves {
					t.Errorf("left %s (%v)", e.Key, err)
				}
			}
		})
	}
}

func TestCheckOfADatasetsState(t *testing.T) {
	spec := &jobfile.Spec{Name: "payments", Portals: []jobfile.PortalSpec{{Name: "acme", Webhook: "https://acme.example/rest/1/abc/"}}}
	for _, tt := range []struct {
		name        string
		fingerprint string
		phase       pipeline.Phase
		end         bool
		lease       CheckState
		unfinished  CheckState
		exit        int
		hint        string
	}{
		{name: "nothing", end: true, lease: CheckOK, unfinished: CheckOK},
		{name: "at work", fingerprint: spec.Fingerprint("acme"), phase: pipeline.Fetching, lease: CheckWarning, unfinished: CheckOK},
		{name: "to go on with", fingerprint: spec.Fingerprint("acme"), phase: pipeline.Fetching, end: true, lease: CheckOK, unfinished: CheckOK},
		{name: "given up", fingerprint: "another", phase: pipeline.Abandoned, end: true, lease: CheckOK, unfinished: CheckOK},
		{name: "of another job", fingerprint: "another", phase: pipeline.Fetching, end: true, lease: CheckOK, unfinished: CheckFailed, exit: ExitUsage, hint: "--restart"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := memory(t)
			data := sinks.New(store, &sinks.Options{Name: "payments", Portal: "acme", Runner: "someone"})
			if _, err := data.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			if tt.phase != "" {
				err := data.Commit(t.Context(), pipeline.Checkpoint{
					Version: pipeline.CheckpointVersion, Number: 1, Runner: "someone", Snapshot: "20261122T020000Z", Mode: pipeline.Full,
					Fingerprint: tt.fingerprint, Phase: tt.phase, WrittenAt: time.Now().UTC(),
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if tt.end {
				if err := data.End(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				defer data.End(t.Context())
			}
			r := report{portal: "acme"}
			r.state(t.Context(), spec, sinks.New(store, datasetOptions(spec, &spec.Portals[0], &RunOptions{})))
			if len(r.lines) != 2 || r.lines[0].State != tt.lease || r.lines[1].State != tt.unfinished ||
				r.lines[1].Exit != tt.exit || !strings.Contains(r.lines[1].Hint, tt.hint) {
				t.Errorf("%+v", r.lines)
			}
		})
	}
}

// A store that cannot be reached is reported once, not for each operation and portal.
func TestCheckOfAStoreThatIsAway(t *testing.T) {
	var r report
	if r.store(t.Context(), away{memory(t)}, "_state/payments/portal=acme/", false) {
		t.Error("its state is to be looked at")
	}
	if len(r.lines) != 1 || r.lines[0].Exit != ExitTemporary || r.lines[0].Hint == "" {
		t.Errorf("%+v", r.lines)
	}
}

// away is a store that cannot be reached.
type away struct{ sinks.Store }

func (away) Put(context.Context, string, func(io.Writer) error) error { return sinks.ErrUnavailable }

// Folders that a probe had to create are removed, but no others.
func TestCheckLeavesNoFolders(t *testing.T) {
	dir := t.TempDir()
	spec := &jobfile.Spec{Name: "payments", Patience: time.Second, Portals: []jobfile.PortalSpec{{Name: "acme", Webhook: "https://acme.example/rest/1/abc/"}}}
	o := (&RunOptions{}).withDefaults()
	for _, there := range []string{"", "empty"} {
		if there != "" {
			if err := os.Mkdir(filepath.Join(dir, there), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		spec.Sink.URL = filepath.Join(dir, there, "a", "b")
		lines := checkSink(t.Context(), spec, []*jobfile.PortalSpec{&spec.Portals[0]}, &o)
		if len(lines) != 8 {
			t.Fatalf("%+v", lines)
		}
		entries, err := os.ReadDir(filepath.Join(dir, there))
		if err != nil || len(entries) > 0 {
			t.Errorf("left %v (%v)", entries, err)
		}
	}
	spec.Sink.URL = filepath.Join(dir, "empty")
	checkSink(t.Context(), spec, []*jobfile.PortalSpec{&spec.Portals[0]}, &o)
	if _, err := os.Stat(spec.Sink.URL); err != nil {
		t.Errorf("a folder that was there is gone: %v", err)
	}
	spec.Sink.URL = "s3://bucket?nonsense=1"
	if lines := checkSink(t.Context(), spec, nil, &o); len(lines) != 1 || lines[0].Hint == "" || lines[0].Check != "sink.open" || lines[0].Exit == 0 {
		t.Errorf("%+v", lines)
	}
}
