package bitrixtest

import (
	"sync"
	"time"
)

// operating records, by credential and method, what was spent in the last ten baskets
// of time. The baskets begin at whole multiples of their width.
type operating struct {
	mu    sync.Mutex
	books map[account]*book
	bans  map[account]time.Time // when each one ends
	known map[account]time.Time // when an answer first showed the ban; zero: not yet
	again int64                 // calls that restarted a ban that was known
	peak  [methodCount]time.Duration
	spent [methodCount]time.Duration
}

type account struct {
	credential string
	method     int
}

// baskets is how many baskets a window has.
const baskets = 10

type book [baskets]struct {
	number int64 // of the basket, counted from 1970
	spent  time.Duration
}

// used returns what the account has spent in the window, and when the oldest basket
// that is not empty expires. For an empty window it returns when the current basket
// expires.
func (o *operating) used(a account, now time.Time, width time.Duration) (time.Duration, time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	current := now.UnixNano() / int64(width)
	b := o.books[a]
	if b == nil {
		return 0, time.Unix(0, (current+baskets)*int64(width))
	}
	return b.used(current, width)
}

func (b *book) used(current int64, width time.Duration) (sum time.Duration, reset time.Time) {
	oldest := current
	for i := range b {
		if n := b[i].number; n > current-baskets && n <= current && b[i].spent > 0 {
			sum += b[i].spent
			oldest = min(oldest, n)
		}
	}
	return sum, time.Unix(0, (oldest+baskets)*int64(width))
}

// banned reports whether the account is banned at now. If over is true, a ban begins,
// and the recorded time is cleared. During a ban, each call restarts it.
func (o *operating) banned(a account, now time.Time, ban time.Duration, over bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bans == nil {
		o.bans, o.known = map[account]time.Time{}, map[account]time.Time{}
	}
	until := o.bans[a]
	switch {
	case now.Before(until):
		// A call that was sent before the first refusal arrived also restarts the ban, but
		// no client can prevent that.
		if known := o.known[a]; until.Before(now.Add(ban)) && !known.IsZero() && now.After(known) {
			o.again++
		}
	case over:
		delete(o.books, a)
		delete(o.known, a)
	default:
		return false
	}
	o.bans[a] = now.Add(ban)
	return true
}

// refused records that an answer at now shows that the account is banned.
func (o *operating) refused(a account, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known[a].IsZero() {
		o.known[a] = now
	}
}

// add records what a request has spent, at its end.
func (o *operating) add(a account, now time.Time, width, spent time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.books[a]
	if b == nil {
		if o.books == nil {
			o.books = map[account]*book{}
		}
		b = new(book)
		o.books[a] = b
	}
	current := now.UnixNano() / int64(width)
	basket := &b[current%baskets]
	if basket.number != current {
		basket.number, basket.spent = current, 0
	}
	basket.spent += spent
	sum, _ := b.used(current, width)
	o.peak[a.method] = max(o.peak[a.method], sum)
	o.spent[a.method] += spent
}
