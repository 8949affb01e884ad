package sinks

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"b24export/pipeline"
)

// child starts a process that runs until it is killed.
func child(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // it fails if the process was killed already
	})
	return cmd
}

// named returns a process's name, or ends the test if the system has no names.
func named(t *testing.T, id int) string {
	t.Helper()
	name, err := processName(id)
	if err != nil {
		if _, err := os.Stat("/proc/self/stat"); err == nil {
			t.Fatalf("there is a /proc, and process %d has no name: %v", id, err)
		}
		if processGone(fmt.Sprintf("a/b/%d/1", id)) {
			t.Error("a process is gone where nothing is known of processes")
		}
		return ""
	}
	return name
}

func TestProcessGone(t *testing.T) {
	cmd := child(t)
	name := named(t, cmd.Process.Pid)
	if name == "" {
		return // there is nothing to check here; named has done it
	}
	parts := strings.Split(name, "/")
	with := func(i int, value string) string {
		p := append([]string(nil), parts...)
		p[i] = value
		return strings.Join(p, "/")
	}
	for what, row := range map[string]struct {
		name string
		want bool
	}{
		"runs":                 {name, false},
		"this one":             {thisProcess(), false},
		"another of its id":    {with(3, "1"), true},
		"another boot's":       {with(0, "b0"), false},
		"another container's":  {with(1, "pid:[1]"), false},
		"no id":                {with(2, "x"), false},
		"a group's id":         {with(2, "-1"), false},
		"none":                 {"", false},
		"of a later version's": {name + "/9", false},
	} {
		if got := processGone(row.name); got != row.want {
			t.Errorf("%s: gone %t, want %t (%s)", what, got, row.want, row.name)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // it fails: the process was killed
	if !processGone(name) {
		t.Errorf("killed: %s is not gone", name)
	}
}

// The holder's death ends a lease, not only the end of its time.
func TestALeaseOfADeadProcessEnds(t *testing.T) {
	cmd := child(t)
	name := named(t, cmd.Process.Pid)
	s := memStore(t)
	d := New(s, &Options{Portal: "acme", Runner: "b"})
	putText(t, s, d.lease(1), fmt.Sprintf(`{"version":1,"runner":"a","holder":"a/1","process":%q,"expires":"2999-01-01T00:00:00Z"}`, name))
	held := func() (ended bool) {
		t.Helper()
		status, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.Lease.Ended
	}
	if _, err := d.Begin(t.Context()); err == nil || held() {
		t.Fatalf("while it runs: error %v, want a %T", err, &pipeline.HeldError{})
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // it fails: the process was killed
	if got := held(); got != (name != "") {
		t.Errorf("after its death: ended %t", got)
	}
	if name == "" {
		return // the lease holds until its time
	}
	if _, err := d.Begin(t.Context()); err != nil {
		t.Fatalf("after its death: %v", err)
	}
	if err := d.End(t.Context()); err != nil {
		t.Fatal(err)
	}
}
