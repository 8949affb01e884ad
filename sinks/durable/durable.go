// Package durable writes files that outlive a power cut: a reader finds the file
// before or the file after, and what was reported written is there.
//
// # The order of system calls
//
//  1. open a new file in the target's folder (O_CREAT|O_EXCL)
//  2. write
//  3. fsync the file, close it (Finish)
//  4. rename or link it to its name
//  5. fsync the folder (SyncFolder)
//
// Died before 4: a file of another name stays, which whoever writes sweeps or
// replaces. Died after 4: the file is complete, and perhaps not durable yet; its
// writer does not know it. A rename without 3 may survive with no bytes in the
// file, one without 5 may be undone. How far a disk reports the truth about its own
// cache, no program knows.
//
// All functions may be called concurrently.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Finish makes what was written to a file durable, and closes it. err is the error of the
// write: with one, the file is closed only, and err returned.
func Finish(file *os.File, err error) error {
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// SyncFolder makes the names in a folder durable. Windows has no such call; NTFS
// keeps a journal of names. A mount that cannot is no error: there is nothing else to
// do.
func SyncFolder(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// SyncDir is SyncFolder for a folder's name.
func SyncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(SyncFolder(dir), dir.Close())
}

// WriteFile writes a file whole or not at all. Without replace, a file of that name
// is fs.ErrExist, and stays as it is.
func WriteFile(name string, data []byte, mode fs.FileMode, replace bool) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	// Gone already after a rename; after a link, this takes the other name away.
	defer func() {
		if rerr := os.Remove(file.Name()); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) && err == nil {
			err = rerr
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err := Finish(file, err); err != nil {
		return err
	}
	place := os.Link // never replaces anything
	if replace {
		place = os.Rename
	}
	if err := place(file.Name(), name); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}
