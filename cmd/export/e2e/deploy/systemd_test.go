package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// systemdAfter returns what systemd does after the program exits with code, by
// Restart=on-failure and the lists of exit codes.
func systemdAfter(t *testing.T, code int) verdict {
	t.Helper()
	unit := readFile(t, "deploy", "systemd", "b24export@.service")
	find(t, `(?m)^(Restart=on-failure)$`, unit)
	listed := func(key string) bool {
		line := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(unit)
		return line != nil && slices.Contains(strings.Fields(line[1]), strconv.Itoa(code))
	}
	switch {
	case code == 0, listed("SuccessExitStatus"):
		return succeeds
	case listed("RestartPreventExitStatus"):
		return fails
	}
	return triesAgain
}

// TestSystemdUnits verifies the units with systemd, with the built program in place.
func TestSystemdUnits(t *testing.T) {
	if err := build(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	verify := func(service string) string {
		var paths []string
		for kind, unit := range map[string]string{"service": service, "timer": readFile(t, "deploy", "systemd", "b24export@.timer")} {
			path := filepath.Join(dir, "b24export@nightly."+kind)
			if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		args := append([]string{"verify", "--man=no", "--recursive-errors=no"}, paths...)
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err == nil && !strings.Contains(string(out), dir) && !strings.Contains(string(out), "b24export@") {
			return ""
		}
		return fmt.Sprintf("%v\n%s", err, out)
	}
	service := strings.ReplaceAll(readFile(t, "deploy", "systemd", "b24export@.service"), "/usr/local/bin/b24export", bin)
	if wrong := verify(service); wrong != "" {
		t.Error(wrong)
	}
	for _, tt := range []struct{ from, to string }{
		{"RestartSec=10min", "RestartSec=ten minutes"},
		{"Restart=on-failure", "Restart=on-failures"},
		{"Type=oneshot", "Type=oneshot\nMemoryMaximum=1G"},
		{bin, "/nowhere/b24export"},
	} {
		if bad := strings.Replace(service, tt.from, tt.to, 1); bad == service || verify(bad) == "" {
			t.Errorf("nothing is wrong with %s", tt.to)
		}
	}
}

// TestSystemdUser reads with systemd the line that creates the service's user.
func TestSystemdUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b24export.conf")
	if err := os.WriteFile(path, []byte(readFile(t, "deploy", "systemd", "b24export.conf")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-sysusers", "--dry-run", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "b24export") {
		t.Errorf("%v\n%s", err, out)
	}
}
