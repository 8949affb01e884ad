package jobs_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// The order in the README: check, plan, run, and a second run directly afterwards. The
// portal counts the requests of all of them together. On a machine that saves nothing,
// check and plan use none of the burst, so the first run has all of it except for their
// last request.
func TestProcessesOneAfterAnother(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cache bool
		// other means another machine: the second run has a folder of its own.
		other   bool
		refused int64
	}{
		{"one machine", true, false, 0},
		{"two machines", true, true, 0},
		{"nothing remembered on the machine", false, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// 3,000 payments: more requests than the burst has.
				e := newExport(t, bitrixtest.Options{Payments: 3000, AllowRegets: true}, 50*time.Millisecond, nil)
				opts := &jobs.RunOptions{Program: "b24export/test", Transport: e.road}
				if tt.cache {
					opts.Cache = t.TempDir()
				}
				spec := e.job(t)
				for line := range jobs.Check(t.Context(), spec, opts) {
					if line.State == jobs.CheckFailed {
						t.Fatalf("check: %+v", line)
					}
				}
				if _, err := jobs.MakePlan(t.Context(), spec, spec.Portals[0].Name, opts); err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					if i == 1 && tt.other {
						opts.Cache = t.TempDir()
					}
					if out := jobs.Run(t.Context(), spec, opts)[0]; out.Err != nil || out.Exit != 0 {
						t.Fatalf("run %d: exit %d: %v", i+1, out.Exit, out.Err)
					}
				}
				if got := e.portal.Stats().Refused; got > tt.refused {
					t.Errorf("%d requests were refused, want at most %d", got, tt.refused)
				}
			})
		})
	}
}

// Two portals of a job at one host, which are two names of the same portal, share its
// limits.
func TestPortalsOfOneHostShareLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{Payments: 2000, AllowRegets: true}, 50*time.Millisecond, nil)
		spec := e.job(t)
		twin := spec.Portals[0]
		twin.Name = "twin"
		spec.Portals = append(spec.Portals, twin)
		for _, out := range jobs.Run(t.Context(), spec, &jobs.RunOptions{Program: "b24export/test", Transport: e.road}) {
			if out.Err != nil || out.Exit != 0 {
				t.Errorf("%s: exit %d: %v", out.Portal, out.Exit, out.Err)
			}
		}
		e.wantNoRefusals(t)
	})
}

// A process that was killed leaves a record that the whole burst may be used.
func TestKilledProcessUsedTheBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{Payments: 3000, AllowRegets: true}, 50*time.Millisecond, nil)
		spec, cache := e.job(t), t.TempDir()
		var note []byte // its content while a run continues
		opts := &jobs.RunOptions{Program: "b24export/test", Transport: e.road, Cache: cache,
			Watch: func(*jobs.Watch) { note = readOnly(t, cache) }}
		if out := jobs.Run(t.Context(), spec, opts)[0]; out.Err != nil {
			t.Fatal(out.Err)
		}
		// The folder as a kill at the end leaves it.
		if err := os.WriteFile(onlyFile(t, cache), note, 0o600); err != nil {
			t.Fatal(err)
		}
		spec.Sink.URL = t.TempDir() // a dataset without a saved state
		if out := jobs.Run(t.Context(), spec, opts)[0]; out.Err != nil {
			t.Fatal(out.Err)
		}
		if !strings.Contains(string(note), `"requests":50`) {
			t.Errorf("the note is %s", note)
		}
		e.wantNoRefusals(t)
	})
}

// A folder with invalid files, or one that cannot be written, has no effect.
func TestDamagedMemoryIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{Payments: 100, AllowRegets: true}, 0, nil)
		spec, cache := e.job(t), t.TempDir()
		opts := &jobs.RunOptions{Program: "b24export/test", Transport: e.road, Cache: cache, Log: slog.New(slog.DiscardHandler)}
		for _, rubbish := range []string{"", "{", "[]", `{"at":"3026-01-01T00:00:00Z","requests":1e300,"methods":{"x":{"counted":true,"reported":-1}}}`} {
			if out := jobs.Run(t.Context(), spec, opts)[0]; out.Err != nil {
				t.Fatalf("%q: %v", rubbish, out.Err)
			}
			if err := os.WriteFile(onlyFile(t, cache), []byte(rubbish), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		opts.Cache = file
		if out := jobs.Run(t.Context(), spec, opts)[0]; out.Err != nil {
			t.Fatal(out.Err)
		}
	})
}

// job returns the export's job, with a new folder.
func (e *export) job(t *testing.T) *jobfile.Spec {
	t.Helper()
	spec, err := jobfile.FromFlags(map[string]string{"to": t.TempDir(), "mode": "full", "compression": "none"},
		e.portal.Webhook("https://acme.bitrix24.com"))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func onlyFile(t *testing.T, cache string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(cache, "limits", "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files %q (%v)", names, err)
	}
	return names[0]
}

func readOnly(t *testing.T, cache string) []byte {
	t.Helper()
	data, err := os.ReadFile(onlyFile(t, cache))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
