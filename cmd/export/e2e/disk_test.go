package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"b24export/bitrix/bitrixtest"
)

// TestFullDisk fills the disk of a local folder at several moments of a run, frees
// space, and runs again. Nothing is lost, and readers never see half a table.
func TestFullDisk(t *testing.T) {
	// The free space: for almost nothing, for some segments, for all of them, and for
	// the table but not for its copy.
	for _, room := range []int{8 << 10, 40 << 10, 100 << 10, 180 << 10, 300 << 10, 420 << 10} {
		t.Run(fmt.Sprintf("%d KiB", room>>10), func(t *testing.T) {
			mount := t.TempDir()
			err := syscall.Mount("tmpfs", mount, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes))
			if errors.Is(err, syscall.EPERM) {
				fmt.Fprintln(os.Stderr, "NOT TESTED: a full disk needs a tmpfs of its own, which only root may mount")
				return
			}
			if err != nil {
				t.Fatalf("mount: %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
					t.Errorf("unmount: %v", err)
				}
			})
			testFullDisk(t, mount, diskBytes-room)
		})
	}
}

// diskBytes is the size of the disk, which is ample for this export.
const diskBytes = 4 << 20

func testFullDisk(t *testing.T, mount string, filler int) {
	t.Helper()
	p := place{url: filepath.Join(mount, "warehouse"), dir: filepath.Join(mount, "warehouse")}
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 8000, AllowRegets: true, Strict: t})
	file := newJob(serve(t, portal, portal), p.url).
		with("checkpoint", "rows", 500).
		write(t)
	stuffing := filepath.Join(mount, "stuffing")
	if err := os.WriteFile(stuffing, make([]byte, filler), 0o600); err != nil {
		t.Fatal(err)
	}
	full := finish(t, startRun(t, p.env, file))
	cp, saved := p.checkpoint(t)
	switch full.Exit {
	case 0:
		t.Errorf("%d bytes of filling are too few to fill the disk", filler)
	case 1:
	default:
		t.Errorf("exit code %d, want 1", full.Exit)
	}
	if !bytes.Contains(full.Process.Stderr, []byte("make room")) {
		t.Errorf("it does not say that the disk is full:\n%s", full.Process.Stderr)
	}
	if n := len(p.manifests(t)); n > 0 {
		t.Errorf("%d manifests of a run that failed", n)
	}
	if _, err := os.Stat(p.current()); err == nil && cp.Phase != "merged" {
		t.Error("a table is there, and no run has finished one")
	}
	before := gets(portal)

	if err := os.Remove(stuffing); err != nil {
		t.Fatal(err)
	}
	again := runJob(t, p.env, file, 0)
	if again.Resumed != saved {
		t.Errorf("with a checkpoint (%v) left, the next run says resumed: %v", saved, again.Resumed)
	}
	// The portal may still have worked on the last requests of the run that had ended:
	// at most 16, of 49 gets each.
	if got, want := gets(portal)-before, int64(8000)-cp.Ledger.Got; got < want || got > want+16*49 {
		t.Errorf("the next run got %d payments, want the %d that no checkpoint had", got, want)
	}
	t.Logf("%d KiB of filling: stopped with %d of 8000 saved, in phase %q", filler>>10, cp.Ledger.Got, cp.Phase)
	wantTable(t, p, portal)
	p.wantWhole(t)
}
