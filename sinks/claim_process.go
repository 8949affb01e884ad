package sinks

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// thisProcess returns a name of this process, by which another process on the same
// machine can later know whether this one still runs. The name has the boot, the
// namespace of process ids, the process id, and the tick at which the process started.
// It is "" if the system does not show these (there is no complete /proc).
//
// The boot distinguishes machines, and a machine before and after a restart. The
// namespace distinguishes containers. The start distinguishes a process from a later
// one with the same id. None of these is a secret.
func thisProcess() string {
	name, err := processName(os.Getpid())
	if err != nil {
		return ""
	}
	return name
}

// processGone reports whether the named process is one of this machine and has
// certainly ended. In doubt it returns false.
func processGone(name string) bool {
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return false
	}
	id, err := strconv.Atoi(parts[2])
	if err != nil || id <= 0 {
		return false
	}
	here, err := processSpace()
	if err != nil || here != parts[0]+"/"+parts[1] {
		return false // of another machine or another container
	}
	p, err := os.FindProcess(id)
	if err != nil {
		return errors.Is(err, os.ErrProcessDone)
	}
	defer func() { _ = p.Release() }() // it frees memory, and the file of the process on Linux
	if err := p.Signal(syscall.Signal(0)); err != nil && errors.Is(err, os.ErrProcessDone) {
		return true
	}
	// A process with this id runs; its start shows whether it is the same one. The
	// start of another user's process may be hidden: it then counts as running.
	state, start, err := processStart(id)
	return err == nil && (start != parts[3] || state == "Z" || state == "X")
}

func processName(id int) (string, error) {
	space, err := processSpace()
	if err != nil {
		return "", err
	}
	_, start, err := processStart(id)
	return fmt.Sprintf("%s/%d/%s", space, id, start), err
}

// processSpace returns the scope of process ids: this boot of this machine and this
// namespace.
func processSpace() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + "/" + namespace, err
}

// processStart returns a process's state (Z means that it has ended and its parent has
// not waited for it) and the tick at which it started. These are the fields 3 and 22 of
// its stat. Field 2, the program's name in parentheses, may itself contain spaces and
// parentheses.
func processStart(id int) (state, start string, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("stat of process %d: %d fields behind its name, want 20", id, len(fields))
	}
	return fields[0], fields[19], nil
}
