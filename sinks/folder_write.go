package sinks

import (
	"b24export/sinks/durable"
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// tempSuffix ends the names of files that are being written. They begin with a dot, so
// that neither *.parquet nor a file browser shows them.
const tempSuffix = ".b24export-tmp"

func isTemp(key string) bool {
	name := path.Base(key)
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, tempSuffix)
}

// writers are buffers for writing files.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 256<<10) }}

// write creates a durable file with what fill writes. commit then renames it, in the
// order of package durable.
func (f *Folder) write(ctx context.Context, op, key string, fill func(io.Writer) error,
	commit func(root *os.Root, tmp string) error) error {
	root, err := f.begin(ctx, op, key, true)
	if err != nil {
		return err
	}
	file, tmp, err := f.makeTemp(root, key)
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, key, plain(err))
	}
	// If the program dies from here to the commit, the temporary file stays until a
	// sweep.
	done := false
	defer func() {
		if !done {
			file.Close()
			root.Remove(tmp)
		}
	}()
	out := &ctxWriter{ctx: ctx, w: file}
	w := writers.Get().(*bufio.Writer)
	w.Reset(out)
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	if err := fill(w); err != nil {
		if out.err != nil {
			return fmt.Errorf("%s %s: %w", op, key, plain(out.err))
		}
		return err // the error of fill itself
	}
	err = durable.Finish(file, w.Flush())
	if err == nil {
		// If the program dies after it, the object is complete, but perhaps not durable
		// yet, and its writer has not reported it.
		if err = commit(root, tmp); err == nil {
			if err = syncFolder(root, path.Dir(key)); errors.Is(err, fs.ErrNotExist) {
				err = nil // another process has deleted it already
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, key, plain(err))
	}
	done = true
	return nil
}

// ctxWriter ends a long write soon after its context ends, and keeps its error.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (w *ctxWriter) Write(p []byte) (n int, err error) {
	if w.ctx.Err() != nil {
		w.err = context.Cause(w.ctx)
		return 0, w.err
	}
	n, w.err = w.w.Write(p)
	return n, w.err
}

// makeTemp opens a new temporary file next to key's file, and creates its folders.
func (f *Folder) makeTemp(root *os.Root, key string) (*os.File, string, error) {
	dir, name := path.Split(key)
	tmp := dir + "." + name + "." + rand.Text()[:12] + tempSuffix
	// A delete in another process may remove folders that have become empty, between
	// any two steps here. A few rounds are enough to succeed.
	for try := 0; ; try++ {
		err := f.makeParents(root, path.Dir(key))
		if err == nil {
			var file *os.File
			if file, err = root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err == nil {
				return file, tmp, nil
			}
		}
		if !errors.Is(err, fs.ErrNotExist) || try == 100 {
			return nil, "", err
		}
		f.forget(".")
	}
}

// makeParents creates dir and its parents, and makes them durable. A synced file is
// still lost if the name of its folder is lost.
func (f *Folder) makeParents(root *os.Root, dir string) error {
	if dir == "." || f.isSynced(dir) {
		return nil
	}
	if err := f.makeParents(root, path.Dir(dir)); err != nil {
		return err
	}
	if err := root.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also if the folder exists: its creator may not have synced it yet.
	if err := syncFolder(root, path.Dir(dir)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.synced[dir] = true
	return nil
}

func (f *Folder) isSynced(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.synced[dir]
}

// forget removes dir and the folders below it from the folders known to be durable. "."
// removes all.
func (f *Folder) forget(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d := range f.synced {
		if dir == "." || d == dir || strings.HasPrefix(d, dir+"/") {
			delete(f.synced, d)
		}
	}
}

// syncFolder makes the names in a folder of root durable.
func syncFolder(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(durable.SyncFolder(d), d.Close())
}

// makeFolders creates a folder outside of any root, and syncs each new name.
func makeFolders(name string) error {
	info, err := os.Stat(name)
	if err == nil {
		if !info.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(name)
	if err := makeFolders(parent); err != nil {
		return err
	}
	if err := os.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(parent)
}

// plain removes the path that package os puts before an error, because the error has
// the key already. It adds what to do if the user can do something.
func plain(err error) error {
	var (
		perr *fs.PathError
		lerr *os.LinkError
	)
	switch {
	case errors.As(err, &perr):
		err = perr.Err
	case errors.As(err, &lerr):
		err = lerr.Err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: make room and run again", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: nothing can be written there", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: check owner and mode of the folder", err)
	}
	return err
}
