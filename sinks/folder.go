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

// Folder is a Store in a local or mounted folder.
//
// An object is one file with the name of its key. There are no side files and no index.
// A Folder writes the object under a temporary name in the same folder, syncs it, and
// renames or links it to its key. It then syncs the folder, and for each new folder its
// parent. After a power failure the object is therefore the old one or the new one, and
// no effect that was reported as done is lost, if the disk reports its cache
// truthfully.
//
// Keys cannot lead out of the folder, not even through symlinks.
type Folder struct {
	path string

	mu   sync.Mutex
	root *os.Root
	// synced has the folders whose path up to the root this Folder has made durable.
	synced map[string]bool
}

var _ Store = (*Folder)(nil)

// OpenFolder returns the Folder of a path. The first write creates a folder that does
// not exist. OpenFolder returns an error if it cannot be created.
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

// danglingLink returns an error for a symlink to nothing. To create a folder at its
// target could be right, or could fill a disk behind a missing mount.
func danglingLink(name string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	target, _ := os.Readlink(name)
	if target == "" {
		return nil // absent, or not a link
	}
	return fmt.Errorf("open folder %s: it is a symlink to %s, which does not exist; mount or make that first", name, target)
}

// Place implements Store. A test of a folder costs nothing.
func (f *Folder) Place() string { return "" }

// String returns the folder's absolute path.
func (f *Folder) String() string { return f.path }

// Close closes the folder's handle.
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

// open returns the folder's handle. Without create, it returns fs.ErrNotExist for an
// absent folder.
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

// Size returns the file's size when it was opened. Files are never changed, only
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

// begin does the first steps of every operation.
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
		// This avoids writing a file that is then deleted. The link below decides.
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
			root.Remove(tmp) // otherwise a sweep deletes it
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return f.sameBytes(ctx, key, data)
	}
	return err
}

// sameBytes returns nil if an object is the result of an earlier attempt, and not of
// another writer.
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

// linksUnsupported reports whether a file system has no hard links, or none between two
// folders: FAT, some network and FUSE mounts, and those that join several disks.
func linksUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) ||
		errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EXDEV)
}

// createWithoutLink is Create on file systems without hard links. The creation is just
// as exclusive, but has a gap: if the program dies between creation and sync, an empty
// or truncated object remains. A later read reports it as corrupt, by name, and a
// person must delete it.
func createWithoutLink(root *os.Root, key string, data []byte) error {
	file, err := root.OpenFile(key, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = durable.Finish(file, err); err != nil {
		root.Remove(key) // this keeps the gap as short as possible
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

// Delete implements Store. It also deletes folders that become empty, because object
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
			break // probably not empty
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

// walk finds the files below prefix for which want is true, in the order of their keys.
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
			return nil // absent, or deleted in the meantime
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
	// The walk visits folder by folder. This order differs if a name is the beginning
	// of another one.
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
