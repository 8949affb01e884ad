//go:build unix

package sinks_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"b24export/sinks"
)

// The umask and the folder decide who may read and write a dataset: a group that shares
// it sets both.
func TestFolderKeepsUmaskAndGroup(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o002))
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o775|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	s, err := sinks.OpenStore(t.Context(), filepath.Join(dir, "data"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(w io.Writer) error {
		_, err := io.WriteString(w, "x")
		return err
	}
	if err := s.Put(t.Context(), "payments/portal=acme/payments.parquet", put); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "_state/payments/lease-00000001.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{
		"data/payments": 0o775 | os.ModeDir | os.ModeSetgid, "data/payments/portal=acme": 0o775 | os.ModeDir | os.ModeSetgid,
		"data/payments/portal=acme/payments.parquet": 0o664, "data/_state/payments/lease-00000001.json": 0o664,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

// A file system may have hard links in a folder and none between two folders, if it joins
// several disks. A link is then a copy.
func TestLinkToAnotherDisk(t *testing.T) {
	var folders [2]string
	for i, place := range []string{"/var/tmp", "/dev/shm"} {
		dir, err := os.MkdirTemp(place, "") //nolint:usetesting // a test's own folder is on one of the two disks
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		folders[i] = dir
	}
	here, there := folders[0], folders[1]
	if err := os.WriteFile(filepath.Join(here, "table"), []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(here, "table"), filepath.Join(there, "link")); err == nil {
		t.Skip("both folders are on one disk")
	}
	s, err := sinks.OpenFolder("/")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := func(dir string) string { return strings.TrimPrefix(dir, "/") + "/table" }
	if err := s.Link(t.Context(), key(there), key(here)); err != nil {
		t.Fatal(err)
	}
	if text, err := s.Read(t.Context(), key(there)); err != nil || string(text) != "rows" {
		t.Errorf("the copy has %q, error %v", text, err)
	}
}
