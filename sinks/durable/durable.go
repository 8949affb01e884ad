// Package durable writes files that survive a power failure: a reader finds the old
// file or the new one, and bytes that were reported as written exist.
//
// # The order of system calls
//
//  1. open a new file in the target's folder (O_CREAT|O_EXCL)
//  2. write
//  3. fsync the file, close it (Finish)
//  4. rename or link it to its name
//  5. fsync the folder (SyncFolder)
//
// If the program dies before 4, a file with another name stays, which the caller's
// package sweeps or replaces. If it dies after 4, the file is complete but perhaps not
// durable yet, and its writer has not reported it. A rename without 3 may leave a file
// without bytes, and one without 5 may be undone. No program knows whether a disk
// reports its own cache truthfully.
//
// All functions are safe for concurrent use.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Finish makes the written bytes of a file durable, and closes the file. err is the
// error of the write. If it is not nil, Finish only closes the file and returns err.
func Finish(file *os.File, err error) error {
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// SyncFolder makes the names in a folder durable. Windows has no such call; NTFS keeps
// a journal of names. A mount that cannot sync folders is not an error, because nothing
// else can be done.
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

// SyncDir is SyncFolder for the name of a folder.
func SyncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(SyncFolder(dir), dir.Close())
}

// WriteFile writes a file completely or not at all. Without replace, it returns
// fs.ErrExist if the file exists, and leaves it as it is.
func WriteFile(name string, data []byte, mode fs.FileMode, replace bool) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	// After a rename the name is gone already. After a link, this removes the other
	// name.
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
	place := os.Link // it never replaces a file
	if replace {
		place = os.Rename
	}
	if err := place(file.Name(), name); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}
