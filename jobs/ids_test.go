package jobs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/source"
)

// If none of the ids exists, that is an error of the job, and nothing is published.
func TestNoneOfTheIDs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ids.txt")
	if err := os.WriteFile(file, []byte("900001\n900002\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, []byte("# none today\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, ids := range map[string]string{
		"a range": "{from: 900000, to: 900100}", "a file": "{file: " + file + "}", "a file without ids": "{file: " + empty + "}",
	} {
		t.Run(name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 60, AllowRegets: true, Strict: t})
			e := newRunJob(t, portal, "source: {list: ids, ids: "+ids+"}")
			out := e.run(t, jobs.ExitUsage)
			if _, ok := errors.AsType[*source.NoIDsError](out.Err); !ok || out.Summary.Manifest != nil || jobs.Hint(out.Err) == "" {
				t.Errorf("error %v, hint %q, manifest %v", out.Err, jobs.Hint(out.Err), out.Summary.Manifest)
			}
			if _, err := os.Stat(filepath.Join(e.folder, "payments")); err == nil {
				t.Error("a table was published")
			}
		})
	}
}
