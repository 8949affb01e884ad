package sinks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"b24export/sinks/address"
)

// Tokens stores an application's pair of tokens in an object of a bucket, for runs
// without a common disk. KEY.lock exists next to KEY while a process holds the lock.
//
// The lock is an object that only one process can create. It expires after tokenLease,
// which is longer than a refresh takes, so that the lock of a process that died does
// not stay. The lock prevents refreshes at the same time, but is not what keeps the
// pair safe: a refresh token is valid once. If two processes refresh nevertheless, only
// one receives a pair, and only that one has anything to save. The comment of claim
// compares this lock with the others.
type Tokens struct {
	store Store
	key   string
	now   func() time.Time

	held tokenLock // the lock of this process; Runner is "" while it is not held
}

// tokenLock is the stored form of a lock.
type tokenLock struct {
	claim
	Expires time.Time `json:"expires"`
	// Begun is the time when an exchange began whose end is not known.
	Begun time.Time `json:"begun,omitzero"`
}

const (
	tokenLease = 3 * time.Minute
	tokenPoll  = 500 * time.Millisecond
)

// OpenTokens opens the object at an address. The last part of the path is the object,
// as in s3://bucket/folder/beta.json. It reads and writes nothing.
func OpenTokens(ctx context.Context, at address.Address, opts *StoreOptions) (*Tokens, error) {
	parent, key := at.Split()
	if key == "" {
		return nil, fmt.Errorf("%s names no object, as in %s://BUCKET/FOLDER/beta.json", at.Bare(), at.Scheme())
	}
	store, err := OpenAddress(ctx, parent, opts)
	if err != nil {
		return nil, err
	}
	return newTokens(store, key), nil
}

// newTokens stores tokens under a key of a store, which must honour Create.
func newTokens(store Store, key string) *Tokens {
	return &Tokens{store: store, key: key, now: time.Now}
}

// String returns the object's address.
func (t *Tokens) String() string { return strings.TrimSuffix(t.store.String(), "/") + "/" + t.key }

func (t *Tokens) lockKey() string { return t.key + ".lock" }

// Load returns the object, or fs.ErrNotExist if there is none.
func (t *Tokens) Load(ctx context.Context) ([]byte, error) { return t.store.Read(ctx, t.key) }

// Lock takes the lock, and waits while another process holds it. begun is the time when
// an earlier holder began an exchange whose end is not known, otherwise zero.
func (t *Tokens) Lock(ctx context.Context) (begun time.Time, err error) {
	var last tokenLock
	for {
		mine := tokenLock{claim: newClaim(rand.Text()), Expires: t.now().UTC().Add(tokenLease), Begun: last.Begun}
		data, err := encodeJSON(mine)
		if err != nil {
			return begun, err
		}
		// If the program dies after it, others wait until the lock ends.
		if err = t.store.Create(ctx, t.lockKey(), data); err == nil {
			t.held = mine
			return mine.Begun, nil
		} else if !errors.Is(err, ErrExists) {
			return begun, err
		}
		other, err := t.readLock(ctx)
		if isAbsent(err) {
			continue // released a moment ago
		}
		if err != nil {
			return begun, err
		}
		if other.ended(other.Expires, t.now()) {
			// Two processes that take the lock at once may both hold one; see Tokens.
			last = other
			if err := t.store.Delete(ctx, t.lockKey()); err != nil {
				return begun, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return begun, context.Cause(ctx)
		case <-time.After(tokenPoll):
		}
	}
}

// readLock reads the lock. A lock that cannot be read counts as held from now on,
// because it is not this process's.
func (t *Tokens) readLock(ctx context.Context) (tokenLock, error) {
	data, err := t.store.Read(ctx, t.lockKey())
	if err != nil {
		return tokenLock{}, err
	}
	var lock tokenLock
	if json.Unmarshal(data, &lock) != nil || lock.Version != 1 {
		return tokenLock{}, fmt.Errorf("%s is no lock of this program: see who made it, and delete it", t.lockKey())
	}
	return lock, nil
}

// Begin records in the lock that the exchange of the pair is about to begin.
func (t *Tokens) Begin(ctx context.Context) error {
	now := t.now().UTC()
	t.held.Begun, t.held.Expires = now, now.Add(tokenLease)
	return t.putLock(ctx)
}

func (t *Tokens) putLock(ctx context.Context) error {
	data, err := encodeJSON(t.held)
	if err != nil {
		return err
	}
	return t.store.Put(ctx, t.lockKey(), whole(data))
}

// Save replaces the object.
func (t *Tokens) Save(ctx context.Context, doc []byte) error {
	return t.store.Put(ctx, t.key, whole(doc))
}

// Unlock releases the lock. If open is true, the record of Begin stays, in a lock that
// has ended.
func (t *Tokens) Unlock(ctx context.Context, open bool) error {
	defer func() { t.held = tokenLock{} }()
	now, err := t.readLock(ctx)
	if err == nil && now.Runner != t.held.Runner {
		return nil // it expired, and belongs to another process
	}
	if open && !t.held.Begun.IsZero() && (err == nil || isAbsent(err)) {
		t.held.Expires = t.now().UTC()
		return t.putLock(ctx)
	}
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.store.Delete(ctx, t.lockKey())
}
