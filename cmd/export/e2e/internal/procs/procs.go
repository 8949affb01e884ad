// Package procs runs child processes for tests. It keeps their output, stops them at
// the end of their test, and makes them die with the test's process, however that
// process ends.
package procs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running or ended child. Its methods are safe for concurrent use.
type Process struct {
	name           string
	cmd            *exec.Cmd
	stdout, stderr tail
	done           chan struct{} // closed once the child has ended and its output is complete
}

// Start starts cmd, whose Stdout and Stderr must be unset. The child is killed
// when the test ends, unless it has ended before.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	// If a grandchild holds the pipes, the wait ends after this time.
	cmd.WaitDelay = 5 * time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := onLauncher(cmd.Start); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	// The goroutine owns the wait. It ends with the child, which the cleanup ends.
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // Exit has it, in ProcessState
	}()
	t.Cleanup(p.Kill)
	return p
}

// onLauncher calls start on a thread that lives as long as the process. The kernel
// sends a parent-death signal when the thread that started the child ends, not the
// process.
func onLauncher(start func() error) error {
	errs := make(chan error)
	launcher() <- func() { errs <- start() }
	return <-errs
}

var launcher = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// Done is closed once the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal. It does nothing if the child has ended.
func (p *Process) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal %s: %v", p.name, err)
	}
}

// Kill ends the child with SIGKILL, if it has not ended, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // the one error is that it has ended
	<-p.done
}

// Stop ends the child with SIGTERM, and with SIGKILL if it has not ended after grace.
func (p *Process) Stop(grace time.Duration) { p.end(syscall.SIGTERM, grace) }

func (p *Process) end(sig syscall.Signal, grace time.Duration) {
	_ = p.cmd.Process.Signal(sig) // the one error is that it has ended
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Exit describes how a child ended.
type Exit struct {
	// Code is the exit code, -1 if a signal ended the child.
	Code int
	// Killed reports whether SIGKILL ended it.
	Killed bool
	Stdout []byte
	Stderr []byte
	// CPU is the processor time of the child.
	CPU time.Duration
}

// Wait waits for the child's end. If ctx ends first, it kills the child, and the test
// fails with the child's output.
func (p *Process) Wait(t testing.TB, ctx context.Context) Exit {
	t.Helper()
	select {
	case <-p.done:
	case <-ctx.Done():
		// A Go program then prints the stacks of its goroutines.
		p.end(syscall.SIGQUIT, 5*time.Second)
		t.Fatalf("wait for %s: %v; it said:\n%s", p.name, context.Cause(ctx), p.Stderr())
	}
	state := p.cmd.ProcessState
	status, _ := state.Sys().(syscall.WaitStatus)
	return Exit{
		Code:   state.ExitCode(),
		Killed: status.Signaled() && status.Signal() == syscall.SIGKILL,
		Stdout: p.stdout.bytes(),
		Stderr: p.stderr.bytes(),
		CPU:    state.UserTime() + state.SystemTime(),
	}
}

// Stderr returns what the child has written to its standard error so far, or the end of
// it.
func (p *Process) Stderr() []byte { return p.stderr.bytes() }

// tail keeps the last part of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// tailBytes is far more than a run of the program prints, and small enough for a server
// that prints a line per request.
const tailBytes = 1 << 20

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if over := len(w.buf) - tailBytes; over > tailBytes {
		w.buf = append(w.buf[:0], w.buf[over:]...)
	}
	return len(p), nil
}

func (w *tail) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.buf[max(0, len(w.buf)-tailBytes):])
}

// Await calls cond until it returns true. If it does not within limit, the test fails
// with what.
func Await(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", limit, what)
		case <-tick.C:
		}
	}
}
