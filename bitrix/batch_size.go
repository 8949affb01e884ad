package bitrix

import (
	"sync"
	"time"
)

// MaxCommands is the highest number of commands in one batch.
const MaxCommands = 50

// longRequest is the longest expected time of a batch: a third of the 60 s after which
// the cloud aborts a request, because the mean cost of a command does not predict a
// slow moment.
const longRequest = 20 * time.Second

// longAnswer is the longest expected answer to a batch, in bytes. Answers are kept in
// memory as a whole, a listing's two at a time.
const longAnswer = 8 << 20

// sizes decides how many commands of a method fit into a request. It halves the number
// if a request took too long or was too large, and adds one after each success. It is
// safe for concurrent use.
type sizes struct {
	mu      sync.Mutex
	methods map[string]*size
}

type size struct {
	most int     // commands per request
	mean float64 // seconds per command, by the portal's clock
	// bytes per command: the highest of the last answers, since an answer that is too large
	// costs a request.
	bytes float64
}

func newSizes() *sizes { return &sizes{methods: map[string]*size{}} }

// of returns the method's entry. The caller holds s.mu.
func (s *sizes) of(method string) *size {
	z := s.methods[method]
	if z == nil {
		z = &size{most: MaxCommands}
		s.methods[method] = z
	}
	return z
}

// limit returns how many commands of this one method to send at once, at least 1.
func (s *sizes) limit(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.of(method)
	n := z.most
	if z.mean > 0 {
		n = min(n, int(longRequest.Seconds()/z.mean))
	}
	if z.bytes > 0 {
		n = min(n, int(longAnswer/z.bytes))
	}
	return max(1, n)
}

// fits returns how many of the first commands to send at once, at least 1.
func (s *sizes) fits(cmds []Command) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var time, bytes float64
	most := MaxCommands
	for i, cmd := range cmds {
		z := s.of(cmd.Method)
		most = min(most, z.most)
		time += z.mean
		bytes += z.bytes
		if i > 0 && (i >= most || time > longRequest.Seconds() || bytes > longAnswer) {
			return i
		}
	}
	return len(cmds)
}

// tooMuch halves the number for all methods of a request of n commands. If the request
// failed because its answer has size bytes, the number follows from that instead; 0: the
// size is not known.
func (s *sizes) tooMuch(needs []need, n int, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, need := range needs {
		// Halve n, not the current number: several requests that were in flight
		// together must not halve it repeatedly.
		z := s.of(need.method)
		if size > 0 {
			z.bytes = max(z.bytes, float64(size)/float64(n))
			continue
		}
		z.most = max(1, min(z.most, n/2))
	}
}

// wentWell records an answered request, and how long its commands took, by method. 0
// seconds means not known.
func (s *sizes) wentWell(needs []need, seconds map[string]float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, need := range needs {
		z := s.of(need.method)
		z.most = min(MaxCommands, z.most+1)
		if took := seconds[need.method]; took > 0 {
			each := took / float64(need.commands)
			if z.mean == 0 {
				z.mean = each
			} else {
				z.mean += costWeight * (each - z.mean)
			}
		}
	}
}

// received notes the bytes of an answer's results, by method, and how many of the commands
// have one. An empty page of a list is none: it does not show how large others are.
func (s *sizes) received(bytes, filled map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for method, n := range filled {
		if n > 0 {
			z := s.of(method)
			each := float64(bytes[method]) / float64(n)
			z.bytes = max(each, (z.bytes+each)/2)
		}
	}
}

// chainBytes returns the expected size of the answer to a full chain of a method, 0 if it is
// not known.
func (s *sizes) chainBytes(method string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(method).bytes * MaxCommands
}
