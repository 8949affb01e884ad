package sinks

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// thisProcess names this process so that another one on the same machine can
// know later whether it still runs: boot, namespace of process ids, process id,
// and the tick at which it started. It is "" where the system does not say (there
// is no /proc, or not all of it).
//
// The boot keeps machines apart, and a machine from itself after a restart; the
// namespace containers; the start a process from a later one of its id. None of
// it is a secret.
func thisProcess() string {
	name, err := processName(os.Getpid())
	if err != nil {
		return ""
	}
	return name
}

// processGone reports whether the process of a name was one of this machine's
// and certainly runs no more. In doubt it does.
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
		return false // another machine's, or another container's
	}
	p, err := os.FindProcess(id)
	if err != nil {
		return errors.Is(err, os.ErrProcessDone)
	}
	defer func() { _ = p.Release() }() // it frees memory, and the file of the process on Linux
	if err := p.Signal(syscall.Signal(0)); err != nil && errors.Is(err, os.ErrProcessDone) {
		return true
	}
	// A process of this id lives; its start reports whether it is the same one. That of
	// another user may be hidden: then it counts as alive.
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

// processSpace names where a process id has a meaning: this boot of this machine
// and this namespace.
func processSpace() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + "/" + namespace, err
}

// processStart reads a process's state (Z: dead, and not yet buried by its
// parent) and the tick at which it started: fields 3 and 22 of its stat. Field 2,
// the program's name in parentheses, may itself hold spaces and parentheses.
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
