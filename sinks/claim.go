package sinks

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// claim says which process holds an object that only one can create. A lease of a
// dataset and a lock of tokens begin with it, and both end the same way: by their time,
// or with the holder's process.
//
// The program has three locks. This is what they share and why the rest differs:
//
//   - A lease (leaseRecord) lasts as long as a run, so it is renewed, and it is fenced:
//     each new holder has a higher number, and the old one finds that out at its next
//     commit. A run that is held out ends; it does not wait.
//   - A lock of tokens in a bucket (Tokens) lasts for one request. It is neither renewed
//     nor fenced, since the server of tokens accepts a refresh token once. Who is held
//     out waits. The lock has a note of an exchange that was begun.
//   - A lock of tokens in a file (bitrix.TokenFile) is the operating system's. It ends
//     with its process, and has no time and no name. No store can offer that, and bitrix
//     needs it without a store.
type claim struct {
	Version int `json:"version"`
	// Holder is host and process, for people; Runner is a unique name.
	Holder string `json:"holder"`
	Runner string `json:"runner"`
	// Process names the process to others on its machine, so that they need not
	// wait for the end of a claim whose holder was killed; "" if it has no name.
	Process string `json:"process,omitempty"`
}

// newClaim returns the claim of this process.
func newClaim(runner string) claim {
	return claim{Version: 1, Holder: holder(), Runner: runner, Process: thisProcess()}
}

// ended reports whether a claim that lasts until expires is over at an instant: by its
// time, or since its holder was a process of this machine that is gone.
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
