package bitrix

import (
	"sync"
	"time"
)

// MaxCommands is how many commands the portal takes in one batch.
const MaxCommands = 50

// longRequest is how long a batch may be expected to run: a third of the 60 s
// after which the cloud cuts a request, since the mean cost of a command says
// little about a slow moment.
const longRequest = 20 * time.Second

// sizes says how many commands of a method fit a request. What fits is halved
// when a request took too long or was too much, and grows by one with each that
// went well. It is safe for concurrent use.
type sizes struct {
	mu      sync.Mutex
	methods map[string]*size
}

type size struct {
	most int     // commands a request
	mean float64 // seconds a command, as the portal's clock saw it
}

func newSizes() *sizes { return &sizes{methods: map[string]*size{}} }

// of returns the method's entry. s.mu is held.
func (s *sizes) of(method string) *size {
	z := s.methods[method]
	if z == nil {
		z = &size{most: MaxCommands}
		s.methods[method] = z
	}
	return z
}

// limit is how many commands of this one method to send at once, at least 1.
func (s *sizes) limit(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.of(method)
	n := z.most
	if z.mean > 0 {
		n = min(n, int(longRequest.Seconds()/z.mean))
	}
	return max(1, n)
}

// fits is how many of the commands, from the first on, to send at once, at
// least 1.
func (s *sizes) fits(cmds []Command) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var time float64
	most := MaxCommands
	for i, cmd := range cmds {
		z := s.of(cmd.Method)
		most = min(most, z.most)
		time += z.mean
		if i > 0 && (i >= most || time > longRequest.Seconds()) {
			return i
		}
	}
	return len(cmds)
}

// tooMuch halves what fits for all the methods of a request of n commands.
func (s *sizes) tooMuch(needs []need, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, need := range needs {
		// n, not what fits now: several requests that were under way together
		// must not halve it again and again.
		z := s.of(need.method)
		z.most = max(1, min(z.most, n/2))
	}
}

// wentWell notes a request that was answered, and what its commands took, by method; 0
// seconds: not known.
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
