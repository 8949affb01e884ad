package sinks

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// claim names the process that holds an object which only one process can create. A
// lease of a dataset and a lock of tokens begin with it. Both end in the same way: at
// their time, or with the holder's process.
//
// The program has three locks. This is what they share and why the rest differs:
//
//   - A lease (leaseRecord) lasts as long as a run, so it is renewed. It is fenced: each new
//     holder has a higher number, and the old one detects this at its next commit. A run that
//     finds the lease held ends; it does not wait.
//   - A lock of tokens in a bucket (Tokens) lasts for one request. It is neither renewed nor
//     fenced, because the server of tokens accepts a refresh token once. A process that finds
//     the lock held waits. The lock records an exchange that has begun.
//   - A lock of tokens in a file (bitrix.TokenFile) is the operating system's. It ends with
//     its process, and has no time and no name. No store can offer that, and bitrix needs it
//     without a store.
type claim struct {
	Version int `json:"version"`
	// Holder is the host and the process, for people. Runner is a unique name.
	Holder string `json:"holder"`
	Runner string `json:"runner"`
	// Process names the process to other processes of its machine. They then need not
	// wait for the end of a claim whose holder was killed. It is "" if the process has
	// no name.
	Process string `json:"process,omitempty"`
}

// newClaim returns the claim of this process.
func newClaim(runner string) claim {
	return claim{Version: 1, Holder: holder(), Runner: runner, Process: thisProcess()}
}

// ended reports whether a claim that lasts until expires has ended at now: because of
// its time, or because its holder was a process of this machine that has ended.
func (c claim) ended(expires, now time.Time) bool {
	return !now.Before(expires) || processGone(c.Process)
}

// holder returns the host and the id of this process.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", strings.ToValidUTF8(host, "?"), os.Getpid())
}
