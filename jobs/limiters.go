package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/sinks"
	"b24export/sinks/durable"
)

// limiters holds what is used of the portals' limits, by host: a portal counts the
// requests of all its credentials together. It saves that for the next process in a
// folder of this machine. Runs also store it with the dataset, for runs on other
// machines. It is safe for concurrent use.
//
// While a process runs, its file says so. A process that starts at the same time, or
// after that one was killed, assumes that the whole burst is used.
type limiters struct {
	folder string // "" if there is none
	log    *slog.Logger

	mu    sync.Mutex
	hosts map[string]*hostLimiter
}

// hostLimiter is the limiter of one host, while it is in use.
type hostLimiter struct {
	limiter *bitrix.Limiter
	users   int
	state   *bitrix.LimitState // of the last user; nil at first
}

// acquire returns the limiter of a host. A new limiter starts from the latest state of
// three: the one of this process, the one saved on this machine, and earlier. Without
// any of them, nothing is used. The caller calls release after it has closed its
// client.
func (l *limiters) acquire(host string, limits bitrix.Limits, earlier *bitrix.LimitState) *bitrix.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[host]
	if h == nil {
		h = &hostLimiter{}
		l.hosts[host] = h
	}
	if h.users++; h.users == 1 {
		used := latest(latest(h.state, l.load(host)), earlier)
		h.limiter = bitrix.NewLimiter(limits, used, l.log)
		l.store(host, limitFile{LimitState: *bitrix.BurstUsed(limits), Running: true})
	}
	return h.limiter
}

// release ends the use of a host's limiter, and returns what is used at that time.
func (l *limiters) release(host string) *bitrix.LimitState {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[host]
	state := h.limiter.State()
	h.state = &state
	if h.users--; h.users == 0 {
		h.limiter.Close()
		l.store(host, limitFile{LimitState: state})
	}
	return h.state
}

// limitFile is the content of a file on this machine.
type limitFile struct {
	bitrix.LimitState
	Running bool `json:"running,omitempty"`
}

func latest(a, b *bitrix.LimitState) *bitrix.LimitState {
	if a == nil || b != nil && b.At.After(a.At) {
		return b
	}
	return a
}

// path returns the name of a host's file. It is a hash, so that a listing of the folder
// shows no names of hosts.
func (l *limiters) path(host string) string {
	sum := sha256.Sum256([]byte(host))
	return filepath.Join(l.folder, "limits", hex.EncodeToString(sum[:8])+".json")
}

// load returns the state saved on this machine, or nil if none can be read.
func (l *limiters) load(host string) *bitrix.LimitState {
	if l.folder == "" {
		return nil
	}
	data, err := os.ReadFile(l.path(host))
	var file limitFile
	if err != nil || json.Unmarshal(data, &file) != nil || file.At.IsZero() {
		return nil
	}
	if file.Running {
		file.At = time.Now()
	}
	return &file.LimitState
}

// store saves a state on this machine. An error costs at most one refused request, so
// it is only logged.
func (l *limiters) store(host string, state limitFile) {
	if l.folder == "" {
		return
	}
	name := l.path(host)
	data, err := json.Marshal(state)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o700)
	}
	if err == nil {
		err = durable.WriteFile(name, data, 0o600, true)
	}
	if err != nil {
		l.log.Debug("what is used of the portal's limits is not remembered on this machine", "error", err)
	}
}

// usedBefore returns what earlier runs of the dataset have used of the portal's limits,
// or nil if that is not known.
func usedBefore(ctx context.Context, data *sinks.Dataset, log *slog.Logger) *bitrix.LimitState {
	stored, err := data.LimitsUsed(ctx)
	if err != nil {
		log.Debug("what earlier runs have used of the portal's limits is not known", "error", err)
		return nil
	}
	state := new(bitrix.LimitState)
	if len(stored) == 0 || json.Unmarshal(stored, state) != nil || state.At.IsZero() {
		return nil
	}
	return state
}

// newClient returns a portal's client. used is what is known of the portal's limits,
// besides what is saved on this machine. The caller calls done at the end. done returns
// what is used at that time.
func (o *RunOptions) newClient(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, used *bitrix.LimitState, log *slog.Logger) (_ *bitrix.Client, done func() *bitrix.LimitState, err error) {
	access, err := accessOf(ctx, spec, portal, log)
	if err != nil {
		return nil, nil, err
	}
	client, done := o.clientOf(spec, portal, access, used, log)
	return client, done, nil
}

// clientOf is like newClient, for an existing access.
func (o *RunOptions) clientOf(spec *jobfile.Spec, portal *jobfile.PortalSpec, access bitrix.Access, used *bitrix.LimitState, log *slog.Logger) (*bitrix.Client, func() *bitrix.LimitState) {
	host := access.Host()
	opts := clientOptions(spec, portal, o, log)
	opts.Limiter = o.limiters.acquire(host, opts.Limits, used)
	client := bitrix.New(access, opts)
	return client, func() *bitrix.LimitState {
		client.Close()
		return o.limiters.release(host)
	}
}

// usedByOthers returns what a command without a dataset starts from. On a machine where
// nothing is saved, the command uses none of the burst.
func (o *RunOptions) usedByOthers(portal *jobfile.PortalSpec) *bitrix.LimitState {
	if o.Cache != "" {
		return nil
	}
	return bitrix.BurstUsed(portal.EffectiveLimits())
}
