package sinktest

import (
	"os"

	"b24export/sinks"
)

// tempRoom is the free memory that TempInMemory needs, in bytes. The largest tests
// write less than a tenth of it at the same time.
const tempRoom = 4 << 30

// TempInMemory moves the folders of tests to a file system in memory, if this machine
// has one with enough room and TMPDIR is not set. A Folder syncs each file and its
// folder, which takes about a millisecond on a disk, and the tests of many runs do it
// ten thousand times. A package calls it in its TestMain.
func TempInMemory() {
	const memory = "/dev/shm" // of Linux; in a container it may have only 64 MiB
	if os.Getenv("TMPDIR") != "" {
		return
	}
	folder, err := sinks.OpenFolder(memory)
	if err != nil {
		return
	}
	defer folder.Close()
	if free, known := sinks.FreeSpace(folder); known && free >= tempRoom {
		os.Setenv("TMPDIR", memory)
	}
}
