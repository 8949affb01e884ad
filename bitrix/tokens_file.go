package bitrix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"b24export/sinks/durable"
)

// TokenFile is a TokenStore in a file that only its owner may read. Next to NAME there
// is NAME.lock, and for moments NAME.new.
//
// The lock is the system's (flock, or that of Windows). It ends with its process,
// however that ends, so no lock is ever left over. It locks a separate file, because NAME
// itself is replaced. NAME.lock contains the time of Begin as long as it matters. The
// locks of package sinks are objects that expire, because a bucket does not know when a
// process ends.
//
// A pair is written completely to NAME.new, made durable, and renamed. Until then it is
// nowhere else. If a process leaves NAME.new, the next one reads it: it is newer than
// NAME.
type TokenFile struct {
	name string
	lock *flock.Flock
}

var _ TokenStore = (*TokenFile)(nil)

// NewTokenFile returns the store of a path. It neither reads nor writes anything.
func NewTokenFile(path string) *TokenFile {
	return &TokenFile{name: path, lock: flock.New(path+".lock", flock.SetPermissions(0o600))}
}

// String returns the path.
func (f *TokenFile) String() string { return f.name }

// lockPoll is how often to try a lock that another process holds.
const lockPoll = 100 * time.Millisecond

func problem(format string, args ...any) error {
	return &StoreProblem{fmt.Sprintf(format, args...)}
}

// Load implements TokenStore.
func (f *TokenFile) Load(context.Context) ([]byte, error) { return read(f.name) }

// read reads a file that must belong to the user.
func read(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, storeError(name, "read", err)
	}
	if err := proper(name, info); err != nil {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, storeError(name, "read", err)
	}
	defer file.Close()
	// The opened file must be the one that was checked.
	if opened, err := file.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, fmt.Errorf("read %s: it was replaced meanwhile", name)
	}
	doc := make([]byte, info.Size())
	n, err := file.ReadAt(doc, 0)
	if n < len(doc) {
		return nil, storeError(name, "read", err)
	}
	return doc, nil
}

// proper returns an error if a file of secrets is not safe.
func proper(name string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode&fs.ModeSymlink != 0:
		return problem("%s is a symbolic link: name the file that it leads to", name)
	case !mode.IsRegular():
		return problem("%s is not a file", name)
	case runtime.GOOS != "windows" && mode.Perm()&0o077 != 0:
		return problem("%s has mode %04o, so that others may read or change it: chmod 600 %[1]s", name, mode.Perm())
	case info.Size() > maxPair:
		return problem("%s has more than %d KiB", name, maxPair>>10)
	}
	return nil
}

// Lock implements TokenStore.
func (f *TokenFile) Lock(ctx context.Context) (begun time.Time, err error) {
	dir := filepath.Dir(f.name)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return begun, problem("the folder of %s does not exist: mkdir -p -m 700 %s", f.name, dir)
	} else if err == nil && !info.IsDir() {
		return begun, problem("%s is not a folder", dir)
	}
	if info, err := os.Lstat(f.name + ".lock"); err == nil {
		if err := proper(f.name+".lock", info); err != nil {
			return begun, err
		}
	}
	switch ok, err := f.lock.TryLockContext(ctx, lockPoll); {
	case err != nil && ctx.Err() != nil:
		return begun, context.Cause(ctx)
	case err != nil:
		return begun, storeError(f.name+".lock", "lock", err)
	case !ok:
		return begun, fmt.Errorf("lock %s: it cannot be acquired", f.name)
	}
	// If the program dies from here on, the lock ends with the process.
	note, err := os.ReadFile(f.name + ".lock")
	if err == nil {
		// A record that cannot be read still counts; only its time is unknown.
		if text := strings.TrimSpace(string(note)); text != "" {
			if begun, err = time.Parse(time.RFC3339, text); err != nil || begun.IsZero() {
				begun, err = time.Unix(0, 0), nil
			}
		}
	}
	if err == nil {
		var recovered bool
		if recovered, err = f.recover(); recovered {
			begun, err = time.Time{}, f.note("")
		}
	}
	if err != nil {
		return begun, errors.Join(storeError(f.name, "lock", err), f.lock.Unlock())
	}
	return begun, nil
}

// recover completes the rename of a pair that was written. That pair may be the only valid
// one, so recover deletes the file only if it is certainly something else.
func (f *TokenFile) recover() (bool, error) {
	next := f.name + ".new"
	info, err := os.Lstat(next)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPair {
		return false, os.Remove(next)
	}
	doc, err := read(next)
	if err != nil {
		return false, err
	}
	if _, err := decodePair(doc); err != nil { // the write was interrupted
		return false, os.Remove(next)
	}
	if err := os.Rename(next, f.name); err != nil {
		return false, err
	}
	return true, durable.SyncDir(filepath.Dir(f.name))
}

// Begin implements TokenStore.
func (f *TokenFile) Begin(context.Context) error {
	return storeError(f.name+".lock", "write", f.note(time.Now().UTC().Format(time.RFC3339)))
}

// note durably writes the time of Begin, or clears it.
func (f *TokenFile) note(text string) error {
	file, err := os.OpenFile(f.name+".lock", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return durable.Finish(file, err)
}

// Save implements TokenStore.
func (f *TokenFile) Save(_ context.Context, doc []byte) error {
	next := f.name + ".new"
	// Whatever has that name may belong to anybody, and may be a link.
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storeError(next, "replace", err)
	}
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return storeError(next, "write", err)
	}
	_, err = file.Write(doc)
	if err = durable.Finish(file, err); err != nil {
		return storeError(next, "write", err)
	}
	// If the program dies from here on, the next Lock completes the rename.
	if info, err := os.Lstat(f.name); err == nil && !info.Mode().IsRegular() {
		return proper(f.name, info)
	}
	if err = os.Rename(next, f.name); err == nil {
		err = durable.SyncDir(filepath.Dir(f.name))
	}
	if err == nil {
		err = f.note("")
	}
	return storeError(f.name, "write", err)
}

// Unlock implements TokenStore. It does not delete NAME.lock: without that file, two
// processes could hold locks on two files of that name.
func (f *TokenFile) Unlock(_ context.Context, open bool) error {
	var err error
	if !open {
		err = f.note("")
	}
	return storeError(f.name+".lock", "unlock", errors.Join(err, f.lock.Unlock()))
}

// storeError returns an error of the system with the place, and with a hint if the user
// can fix it.
func storeError(name, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return problem("%s %s: permission denied: check the owner and mode of the file and of its folder, which must be writable", doing, name)
	case errors.Is(err, syscall.EROFS):
		return problem("%s %s: nothing can be written there, and tokens change every hour", doing, name)
	}
	var perr *fs.PathError
	var lerr *os.LinkError
	if errors.As(err, &perr) {
		err = perr.Err
	} else if errors.As(err, &lerr) {
		err = lerr.Err
	}
	return fmt.Errorf("%s %s: %w", doing, name, err)
}
