package bitrixtest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
)

// Portal is a fake Bitrix24 portal. It is an http.Handler, and RoundTripper calls it
// without a network. All its methods are safe for concurrent use.
type Portal struct {
	conf atomic.Pointer[config]

	mu     sync.RWMutex // guards data, events and counted
	data   *live
	events events
	counts countCache

	rate      rateLimit
	operating operating
	gets      gets
	faults    faultLog
	tokens    tokens
	rules     rules
	stats     statistics
}

// New returns a portal. Its clock is that of package time, so a portal for a synctest
// bubble must be created in it. New panics if the options are not valid: call Validate
// for options from outside.
func New(o Options) *Portal {
	if err := o.Validate(); err != nil {
		panic(fmt.Sprintf("bitrixtest: options: %v", err))
	}
	p := new(Portal)
	c := newConfig(o)
	p.conf.Store(c)
	p.data = newLive(newBase(o.Seed, int64(o.Payments), c.First, int64(c.Gap), c.Until.Unix()))
	p.data.returns, p.data.shop = o.Returns, o.Trade
	p.tokens.start(c)
	return p
}

func (p *Portal) config() *config { return p.conf.Load() }

// Adjust changes the options of a running portal: it can remove rights, fix the portal,
// or add faults. Requests that have begun keep the old options. Seed, Payments, First,
// Gap and Until, which determine the data, do not change. A change of Faults resets the
// count for Times. Adjust panics if the options are not valid then.
func (p *Portal) Adjust(change func(*Options)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.config().Options
	o := before
	if o.Gap == 0 {
		o.Gap = -1 // 0 means the default
	}
	data := o
	change(&o)
	o.Seed, o.Payments, o.First, o.Gap, o.Until = data.Seed, data.Payments, data.First, data.Gap, data.Until
	if err := o.Validate(); err != nil {
		panic(fmt.Sprintf("bitrixtest: options: %v", err))
	}
	if !reflect.DeepEqual(before.Faults, o.Faults) {
		p.faults.mu.Lock()
		p.faults.times = nil
		p.faults.mu.Unlock()
	}
	p.conf.Store(newConfig(o))
}

// Webhook returns the portal's webhook for a base URL such as
// "https://acme.bitrix24.com" or an httptest server's.
func (p *Portal) Webhook(base string) string {
	return strings.TrimSuffix(base, "/") + "/rest/" + p.config().webhook + "/"
}
