// Package servers starts the servers that the program uses, for the duration of a test:
// an S3 gateway and an Azure emulator as child processes, a GCS emulator and a proxy
// that breaks connections in the process. All listen on 127.0.0.1, at separate ports.
package servers

import (
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"b24export/cmd/export/e2e/internal/procs"
)

// startLimit is the maximum time until a server listens. It is far more than any needs,
// even on a busy machine.
const startLimit = 60 * time.Second

// listenOn starts a server at a free port and waits until it listens there. The port is
// free when it is chosen. If another process takes it first, the server ends at once
// and listenOn tries the next port. If the test fails, the output of the server is
// logged.
func listenOn(t testing.TB, name string, start func(addr string) *procs.Process) string {
	t.Helper()
	for try := 1; ; try++ {
		addr := freeAddr(t)
		p := start(addr)
		ended := false
		procs.Await(t, startLimit, name+" to listen", func() bool {
			select {
			case <-p.Done():
				ended = true
				return true
			default:
			}
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
		if !ended {
			t.Cleanup(func() {
				p.Stop(5 * time.Second)
				if t.Failed() {
					t.Logf("%s said:\n%s", name, end(p.Stderr()))
				}
			})
			return addr
		}
		if try == 3 {
			t.Fatalf("%s does not start:\n%s", name, end(p.Stderr()))
		}
	}
}

// end returns the end of a server's log.
func end(log []byte) []byte { return log[max(0, len(log)-8<<10):] }

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// moduleDir returns this module's folder.
func moduleDir(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no caller's file")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// stderrOf returns what a command that ended with err wrote to its standard error.
func stderrOf(err error) []byte {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.Stderr
	}
	return nil
}
