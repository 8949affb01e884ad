package sinks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func newFolder(t *testing.T) (*Folder, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, dir
}

func putText(t *testing.T, s Store, key, text string) {
	t.Helper()
	err := s.Put(t.Context(), key, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// names returns all files below dir, also temporary ones.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && name != dir {
			rel, _ := filepath.Rel(dir, name)
			found = append(found, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFolderRoots(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	must(os.Mkdir(filepath.Join(dir, "real"), 0o755))
	must(os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link")))
	must(os.Symlink(filepath.Join(dir, "unmounted"), filepath.Join(dir, "dangling")))
	for _, tt := range []struct {
		path string
		want string // in the error; "" for none
	}{
		{"", "no path given"},
		{filepath.Join(dir, "file"), "it is not a folder"},
		{filepath.Join(dir, "file", "below"), "not a directory"},
		{filepath.Join(dir, "dangling"), "it is a symlink to " + filepath.Join(dir, "unmounted") + ", which does not exist"},
		{filepath.Join(dir, "real"), ""},
		{filepath.Join(dir, "link"), ""},
		{filepath.Join(dir, "new", "deep"), ""},
		{"file://" + filepath.Join(dir, "new2"), ""},
	} {
		t.Run(tt.path, func(t *testing.T) {
			s, err := OpenStore(t.Context(), tt.path, nil)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			putText(t, s, "a/b", "x")
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "real", "a", "b")); err != nil {
		t.Errorf("not written through the link: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "unmounted")); err == nil {
		t.Error("the folder behind the dangling link was made")
	}
	if _, err := OpenStore(t.Context(), "file://relative/path", nil); err == nil {
		t.Error("a file URL with a host was taken")
	}
}

func TestAFolderThatIsNotThereIsEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read: %v", err)
	}
	for e, err := range f.List(t.Context(), "") {
		t.Errorf("list: %v, %v", e, err)
	}
	if err := f.Delete(t.Context(), "x"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("reading has made the folder")
	}
	// A file that was put in its place in the meantime is an error and stays.
	if err := os.WriteFile(dir, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Create(t.Context(), "x", nil); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("create below a file: %v", err)
	}
}

func TestKeysCannotLeadOut(t *testing.T) {
	f, dir := newFolder(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"abs": outside, "rel": "../" + filepath.Base(outside)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Read(t.Context(), name+"/secret"); err == nil {
			t.Errorf("%s: read through a symlink out of the folder", name)
		}
		if err := f.Create(t.Context(), name+"/new", nil); err == nil {
			t.Errorf("%s: wrote through a symlink out of the folder", name)
		}
		if err := f.Delete(t.Context(), name+"/secret"); err == nil {
			t.Errorf("%s: deleted through a symlink out of the folder", name)
		}
	}
	if found := names(t, outside); len(found) != 1 {
		t.Errorf("outside there is %q", found)
	}
	for e, err := range f.List(t.Context(), "") {
		t.Errorf("list: %v, %v", e, err)
	}
}

func TestOnlyObjectsAreLeft(t *testing.T) {
	f, dir := newFolder(t)
	putText(t, f, "a/b/c", "1")
	putText(t, f, "a/b/c", "2")
	if err := f.Create(t.Context(), "a/d", []byte("3")); err != nil {
		t.Fatal(err)
	}
	if err := f.Create(t.Context(), "a/d", []byte("4")); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	own := errors.New("own")
	if err := f.Put(t.Context(), "a/e/f", func(io.Writer) error { return own }); !errors.Is(err, own) {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(names(t, dir)), "[a a/b a/b/c a/d a/e]"; got != want {
		t.Errorf("the folder has %s, want %s", got, want)
	}
	if err := f.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), "a/e/f"); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(names(t, dir)), "[a a/d]"; got != want {
		t.Errorf("after deletes the folder has %s, want %s", got, want)
	}
	putText(t, f, "a/b/c", "5") // its folder is created again
}

func TestTemporaryFiles(t *testing.T) {
	f, dir := newFolder(t)
	putText(t, f, "p/x.parquet", "x")
	leave := func(name string, age time.Duration) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
	}
	leave("p/.x.parquet.ABCDEFGHIJKL"+tempSuffix, 2*time.Hour)
	leave("p/.y.parquet.ABCDEFGHIJKL"+tempSuffix, time.Minute) // its writer may be alive
	leave("p/.notes", 2*time.Hour)                             // of another program
	if err := os.Mkdir(filepath.Join(dir, "q"), 0o755); err != nil {
		t.Fatal(err)
	}
	leave("q/.x.parquet.ABCDEFGHIJKL"+tempSuffix, 2*time.Hour) // not below the prefix
	var keys []string
	for e, err := range f.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	if got, want := fmt.Sprint(keys), "[p/.notes p/x.parquet]"; got != want {
		t.Errorf("list shows %s, want %s", got, want)
	}
	if err := f.SweepTemp(t.Context(), "p/", time.Hour); err != nil {
		t.Fatal(err)
	}
	want := "[p p/.notes p/.y.parquet.ABCDEFGHIJKL" + tempSuffix + " p/x.parquet q q/.x.parquet.ABCDEFGHIJKL" + tempSuffix + "]"
	if got := fmt.Sprint(names(t, dir)); got != want {
		t.Errorf("after the sweep there is %s, want %s", got, want)
	}
	// A file has such a name while it is written.
	err := f.Put(t.Context(), "p/z.parquet", func(io.Writer) error {
		found := names(t, dir)
		if !strings.HasPrefix(found[2], "p/.x") && !strings.Contains(strings.Join(found, " "), ".z.parquet.") {
			t.Errorf("while it is written there is %s", found)
		}
		for _, name := range found {
			if strings.Contains(name, "z.parquet") && !isTemp(name) {
				t.Errorf("%s is there before it is complete", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreateWithoutLinks(t *testing.T) {
	f, dir := newFolder(t)
	root, err := f.open(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := createWithoutLink(root, "x", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if err := createWithoutLink(root, "x", []byte("yours")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over an object: error %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(data) != "mine" {
		t.Errorf("the object is %q, error %v", data, err)
	}
	for _, err := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EMLINK, &os.LinkError{Op: "link", Err: syscall.EOPNOTSUPP}} {
		if !linksUnsupported(err) {
			t.Errorf("%v: links are thought to be supported", err)
		}
	}
	for _, err := range []error{nil, syscall.EEXIST, syscall.ENOENT, syscall.ENOSPC, syscall.EACCES} {
		if linksUnsupported(err) {
			t.Errorf("%v: links are thought to be unsupported", err)
		}
	}
}

func TestErrorsOfTheSystemSayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "write", Path: "/x/y", Err: syscall.ENOSPC}, "no space left on device: make room and run again"},
		{&fs.PathError{Op: "open", Path: "/x/y", Err: syscall.EROFS}, "read-only file system: nothing can be written there"},
		{&os.LinkError{Op: "link", Old: "/x", New: "/y", Err: syscall.EACCES}, "permission denied: check owner and mode of the folder"},
		{&fs.PathError{Op: "open", Path: "/x/y", Err: syscall.ENOENT}, "no such file or directory"},
	} {
		if got := plain(tt.err); got.Error() != tt.want || !errors.Is(got, errors.Unwrap(tt.err)) {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
	// A full disk ends a write in the middle.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Logf("no /dev/full here: %v", err)
		return
	}
	defer full.Close()
	w := &ctxWriter{ctx: t.Context(), w: full}
	if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) || !errors.Is(w.err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: error %v", err)
	}
}

// TestFoldersComeAndGo deletes folders while others write there.
func TestFoldersComeAndGo(t *testing.T) {
	f, _ := newFolder(t)
	var wg sync.WaitGroup
	for w := range 5 {
		wg.Go(func() {
			for i := range 12 {
				key := fmt.Sprintf("a/b/c/d/%d-%d", w, i)
				if err := f.Create(t.Context(), key, []byte("x")); err != nil {
					t.Errorf("create: %v", err)
					return
				}
				if _, err := f.Read(t.Context(), key); err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if err := f.Delete(t.Context(), key); err != nil {
					t.Errorf("delete: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestLinksBesideSweeps links an old file while others sweep, as a backfill does beside a
// night. A link has the age of its file.
func TestLinksBesideSweeps(t *testing.T) {
	f, dir := newFolder(t)
	if err := f.Create(t.Context(), "a/old", []byte("x")); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "a", "old"), then, then); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !done.Load() {
				if err := f.SweepTemp(t.Context(), "b/", time.Hour); err != nil {
					t.Errorf("sweep: %v", err)
					return
				}
			}
		})
	}
	for range 150 {
		if err := f.Link(t.Context(), "b/new", "a/old"); err != nil {
			t.Error(err)
			break
		}
	}
	done.Store(true)
	wg.Wait()
	if data, err := f.Read(t.Context(), "b/new"); err != nil || string(data) != "x" {
		t.Errorf("the link has %q, error %v", data, err)
	}
}
