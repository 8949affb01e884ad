package main

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
)

// limitMemory makes the garbage collector obey the container's limit, if there is one,
// and usualMemory. Without it, the heap may grow to three times the memory in use, and in a
// container the kernel kills the process. portals is how many are exported at once. If
// GOMEMLIMIT is set, the runtime obeys it instead.
func limitMemory(portals int) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := usualMemory(portals)
	if container, ok := containerMemory(os.DirFS("/")); ok {
		limit = min(limit, heapLimit(container))
	}
	debug.SetMemoryLimit(limit)
}

// usualMemory returns the memory above which the garbage collector runs more often. The
// rows and answers of one portal have at most 64 MiB in memory, however long their texts
// are. Portals with short texts need far less, so the limit changes nothing for them.
func usualMemory(portals int) int64 { return 64<<20 + int64(portals)*64<<20 }

// raiseMemoryLimit allows for so many portals at once, if the limit is that for one portal.
func raiseMemoryLimit(portals int) {
	if portals > 1 {
		collectOften()
	}
	if debug.SetMemoryLimit(-1) == usualMemory(1) {
		limitMemory(portals)
	}
}

// programPages is the most memory of a container that the program's own code uses.
const programPages = 32 << 20

// heapLimit returns the part of a container's memory that the Go runtime may use. Ten
// per cent are for what the runtime does not count, such as the kernel's buffers of
// sockets.
func heapLimit(container int64) int64 {
	return max(container-container/10-programPages, container/2)
}

// containerMemory returns the smallest memory limit, in bytes, of the control groups of
// this process. ok is false if there is none. root is the root of the file system.
// containerMemory reads control groups of version 2 and version 1.
func containerMemory(root fs.FS) (limit int64, ok bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false // not Linux
	}
	limit = math.MaxInt64
	for line := range bytes.Lines(groups) {
		// Such as 4:cpu,memory:/a/b, or for version 2 0::/a/b.
		parts := bytes.SplitN(bytes.TrimSpace(line), []byte(":"), 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if len(parts[1]) > 0 {
			if !hasMemory(parts[1]) {
				continue
			}
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// A group also has the limits of its parents. In a container the path may be
		// that of the host, of which only the root is visible.
		for dir := path.Join("/", string(parts[2])); ; dir = path.Dir(dir) {
			if n, ok := readLimit(root, path.Join(base, dir, file)); ok {
				limit = min(limit, n)
			}
			if dir == "/" {
				break
			}
		}
	}
	// Version 1 writes a number near the largest one for no limit.
	return limit, limit < 1<<60
}

func hasMemory(controllers []byte) bool {
	for name := range bytes.SplitSeq(controllers, []byte(",")) {
		if string(name) == "memory" {
			return true
		}
	}
	return false
}

func readLimit(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64) // or max
	return n, err == nil && n > 0
}
