package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "job.yaml")
	if err := WriteFile(name, []byte("one"), 0o600, false); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(name, []byte("two"), 0o600, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v, want fs.ErrExist", err)
	}
	want := func(text string) {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil || string(data) != text {
			t.Errorf("the file has %q, error %v; want %q", data, err, text)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("the folder has %v, error %v; want the file alone", entries, err)
		}
	}
	want("one")
	if err := WriteFile(name, []byte("three"), 0o644, true); err != nil {
		t.Fatal(err)
	}
	want("three")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, error %v; want 0644", info.Mode(), err)
	}
	if err := WriteFile(filepath.Join(dir, "absent", "x"), nil, 0o600, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no folder: %v, want fs.ErrNotExist", err)
	}
	// A folder blocks the rename. No temporary file is left.
	blocked := filepath.Join(dir, "job.yaml", "..", "folder")
	if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(blocked, []byte("x"), 0o600, true); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, error %v", entries, err)
	}
}

// A file whose write failed is still closed, and the error is returned.
func TestFinish(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("disk full")
	if err := Finish(file, failed); !errors.Is(err, failed) {
		t.Errorf("error %v, want the write's", err)
	}
	if err := Finish(file, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v: the file was left open", err)
	}
}
