package sinks

import (
	"b24export/sinks/durable"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Folder is a Store in a local folder, or a mounted one.
//
// An object is a file of its key's name and nothing else: no side files, no
// index. It is written under a temporary name in its own folder, synced, and
// renamed or linked to its key; then the folder is synced, and folders newly
// made for it are synced into theirs. A power cut therefore leaves the object
// before or the object after, and of an effect that was reported done nothing
// is lost, if the disk reports its cache truthfully.
//
// Keys cannot lead out of the folder, not by symlinks either.
type Folder struct {
	path string

	mu   sync.Mutex
	root *os.Root
	// synced holds the folders whose way up to the root this Folder has made
	// durable.
	synced map[string]bool
}

var _ Store = (*Folder)(nil)

// OpenFolder makes a Folder of a path. A folder that does not exist yet is
// made by the first write; one that cannot be is an error here.
func OpenFolder(name string) (*Folder, error) {
	if name == "" {
		return nil, errors.New("open folder: no path given")
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", name, err)
	}
	f := &Folder{path: abs, synced: make(map[string]bool)}
	if _, err := f.open(false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := danglingLink(abs); err != nil {
		return nil, err
	}
	return f, nil
}

// danglingLink reports a symlink that leads nowhere: to make a folder at its
// end could be right, or could fill a disk behind a mount that is missing.
func danglingLink(name string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	target, _ := os.Readlink(name)
	if target == "" {
		return nil // absent, and no link
	}
	return fmt.Errorf("open folder %s: it is a symlink to %s, which does not exist; mount or make that first", name, target)
}

// Place implements Store: to try a folder costs nothing.
func (f *Folder) Place() string { return "" }

// String is the folder's absolute path.
func (f *Folder) String() string { return f.path }

// Close frees the folder's handle.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root == nil {
		return nil
	}
	err := f.root.Close()
	f.root = nil
	return err
}

// open returns the folder's handle. Without create, an absent folder is fs.ErrNotExist.
func (f *Folder) open(create bool) (*os.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root != nil {
		return f.root, nil
	}
	if create {
		if err := danglingLink(f.path); err != nil {
			return nil, err
		}
		if err := makeFolders(f.path); err != nil {
			return nil, fmt.Errorf("make folder %s: %w", f.path, plain(err))
		}
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", f.path, plain(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open folder %s: it is not a folder", f.path)
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", f.path, plain(err))
	}
	f.root = root
	return root, nil
}

// Read implements Store.
func (f *Folder) Read(ctx context.Context, key string) ([]byte, error) {
	obj, err := f.openFile(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	if obj.size > maxRead {
		return nil, fmt.Errorf("read %s: %d bytes are more than this program ever writes there", key, obj.size)
	}
	data, err := io.ReadAll(obj.File)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, plain(err))
	}
	return data, nil
}

// Open implements Store.
func (f *Folder) Open(ctx context.Context, key string) (Object, error) {
	return f.openFile(ctx, "open", key)
}

// fileObject is an open file as an Object.
type fileObject struct {
	*os.File
	size int64
}

// Size is the file's size when it was opened: files are never changed, only
// replaced.
func (o *fileObject) Size() int64 { return o.size }

func (f *Folder) openFile(ctx context.Context, op, key string) (*fileObject, error) {
	root, err := f.begin(ctx, op, key, false)
	if err != nil {
		return nil, err
	}
	file, err := root.Open(key)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, key, plain(err))
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s %s: %w", op, key, plain(err))
	}
	return &fileObject{File: file, size: info.Size()}, nil
}

// begin does what every operation starts with.
func (f *Folder) begin(ctx context.Context, op, key string, create bool) (*os.Root, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	root, err := f.open(create)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, key, err)
	}
	return root, nil
}

// Put implements Store.
func (f *Folder) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	return f.write(ctx, "put", key, write, func(root *os.Root, tmp string) error {
		return root.Rename(tmp, key)
	})
}

// Create implements Store.
func (f *Folder) Create(ctx context.Context, key string, data []byte) error {
	if root, err := f.open(false); err == nil {
		// Spares the disk a file that would only be thrown away. The link below
		// decides.
		if _, err := root.Lstat(key); err == nil {
			return f.sameBytes(ctx, key, data)
		}
	}
	err := f.write(ctx, "create", key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}, func(root *os.Root, tmp string) error {
		err := root.Link(tmp, key)
		if linksUnsupported(err) {
			err = createWithoutLink(root, key, data)
		}
		if err == nil {
			root.Remove(tmp) // else a sweep does it
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return f.sameBytes(ctx, key, data)
	}
	return err
}

// sameBytes returns nil if an object is one that an earlier attempt left, not somebody else's.
func (f *Folder) sameBytes(ctx context.Context, key string, data []byte) error {
	there, err := f.Read(ctx, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, data) {
		return fmt.Errorf("create %s: %w", key, ErrExists)
	}
	return nil
}

// linksUnsupported reports whether a file system has no hard links: FAT, some
// network and FUSE mounts.
func linksUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) ||
		errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.ENOSYS)
}

// createWithoutLink is Create where there are no hard links. The creation is
// just as exclusive, but has a hole: death between it and the sync leaves an
// empty or cut object behind, which is then found to be corrupt, by name, and
// has to be deleted by hand.
func createWithoutLink(root *os.Root, key string, data []byte) error {
	file, err := root.OpenFile(key, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = durable.Finish(file, err); err != nil {
		root.Remove(key) // so that the hole stays as small as can be
	}
	return err
}

// Copy implements Store. The copy is as durable as any other object.
func (f *Folder) Copy(ctx context.Context, dst, src string) error {
	obj, err := f.openFile(ctx, "copy", src)
	if err != nil {
		return err
	}
	defer obj.Close()
	return f.Put(ctx, dst, func(w io.Writer) error {
		n, err := io.Copy(w, obj.File)
		if err == nil && n != obj.size {
			err = fmt.Errorf("copy %s: it changed while it was read", src)
		}
		return err
	})
}

// Delete implements Store. Folders that become empty go too, since object
// stores have none.
func (f *Folder) Delete(ctx context.Context, key string) error {
	root, err := f.begin(ctx, "delete", key, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = root.Remove(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("delete %s: %w", key, plain(err))
	}
	dir := path.Dir(key)
	for ; dir != "."; dir = path.Dir(dir) {
		if err := root.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			break // not empty, most likely
		}
		f.forget(dir)
	}
	if err := syncFolder(root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", key, plain(err))
	}
	return nil
}

// DeleteAll implements Store. It deletes in the order of keys, up to the first error.
func (f *Folder) DeleteAll(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := f.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Sum implements Store.
func (f *Folder) Sum(ctx context.Context, key string, size int64) (string, error) {
	obj, err := f.Open(ctx, key)
	if err != nil {
		return "", err
	}
	defer obj.Close()
	if obj.Size() != size {
		return "", nil
	}
	return sumOf(obj)
}

// List implements Store.
func (f *Folder) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries, err := f.walk(ctx, prefix, func(key string) bool { return !isTemp(key) })
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// walk finds the files below prefix that want picks, in the order of their keys.
func (f *Folder) walk(ctx context.Context, prefix string, want func(key string) bool) ([]Entry, error) {
	root, err := f.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	dir := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		dir = prefix[:i]
	}
	if !fs.ValidPath(dir) {
		return nil, fmt.Errorf("list %q: must be a relative path with single slashes", prefix)
	}
	var entries []Entry
	err = fs.WalkDir(root.FS(), dir, func(key string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // absent, or deleted meanwhile
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			if !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key) && key != "." {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !strings.HasPrefix(key, prefix) || !want(key) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		entries = append(entries, Entry{Key: key, Size: info.Size(), ModTime: info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, plain(err))
	}
	// The walk goes folder by folder, which differs where a name is the
	// beginning of another one.
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return entries, nil
}

// SweepTemp implements Store.
func (f *Folder) SweepTemp(ctx context.Context, prefix string, age time.Duration) error {
	entries, err := f.walk(ctx, prefix, isTemp)
	if err != nil || len(entries) == 0 {
		return err
	}
	root, err := f.open(false)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if time.Since(e.ModTime) < age {
			continue // its writer may be alive
		}
		if err := root.Remove(e.Key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep %s: %w", e.Key, plain(err))
		}
	}
	return nil
}
