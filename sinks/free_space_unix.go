//go:build unix

package sinks

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes this user can still write to the disk of a folder.
// The folder need not exist yet.
func freeSpace(folder string) (int64, error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(folder, &s)
		if err == nil {
			return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the fields' types differ between systems
		}
		parent := filepath.Dir(folder)
		if !os.IsNotExist(err) || parent == folder {
			return 0, err
		}
		folder = parent
	}
}
