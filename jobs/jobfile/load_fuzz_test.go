package jobfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse: for any job file, Parse returns a spec that obeys the rules, or problems
// that are short, have a position in the file, and show no secret.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.txtar", "../examples/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if archive := txtar.Parse(data); len(archive.Files) > 0 {
				data, _ = section(archive, "job.yaml")
			}
			f.Add(data)
		}
	}
	f.Add([]byte(everything))
	readFile := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := parse("job.yaml", data, environment, readFile, nil)
		if err == nil {
			checkSpec(t, spec)
			return
		}
		problems, ok := errors.AsType[*Problems](err)
		if !ok || spec != nil || len(problems.Items) == 0 {
			t.Fatalf("spec %v, error %#v", spec, err)
		}
		lines := 1 + strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), "\n")
		for _, p := range problems.Items {
			if p.What == "" || p.Line < 0 || p.Line > lines+1 || strings.ContainsAny(p.String(), "\n\r\x1b\x00") {
				t.Errorf("problem %+v of a file of %d lines", p, lines)
			}
		}
		// What the file itself contains may be shown, but not the values of its
		// references.
		if text := err.Error(); strings.Contains(text, marked) && !strings.Contains(string(data), marked) {
			t.Errorf("shows a secret: %s", text)
		}
	})
}

// checkSpec checks what users of a spec rely on.
func checkSpec(t *testing.T, s *Spec) {
	t.Helper()
	names := make(map[string]bool)
	for i := range s.Portals {
		p := &s.Portals[i]
		if !portalName.MatchString(p.Name) || names[p.Name] {
			t.Errorf("portal name %q", p.Name)
		}
		names[p.Name] = true
		if (p.Webhook == "") == (p.OAuth == nil) || p.Address() == "" {
			t.Errorf("portal %s: webhook %t, oauth %t, address %q", p.Name, p.Webhook != "", p.OAuth != nil, p.Address())
		}
		l := p.EffectiveLimits()
		if l.Rate < 0 || (l.Rate == 0) != (l.Burst == 0) || (l.Operating == 0) != (l.Window == 0) || l.Share <= 0 || l.Concurrency < 0 {
			t.Errorf("portal %s: limits %+v", p.Name, l)
		}
		if s.Fingerprint(p.Name) == "" {
			t.Errorf("portal %s has no fingerprint", p.Name)
		}
	}
	if len(s.Portals) == 0 || s.Version != 1 || !datasetName.MatchString(s.Name) || s.Sink.URL == "" || s.Patience <= 0 ||
		s.Checkpoint.Every <= 0 || s.Checkpoint.Rows <= 0 || s.Sink.RowGroupRows <= 0 {
		t.Errorf("spec %+v", s)
	}
}
