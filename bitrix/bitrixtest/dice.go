package bitrixtest

// All seeded values are pure functions of a seed and a number, computed by a 64-bit
// finalizer. There is no state, no order of evaluation, and nothing to store.

// golden spreads consecutive numbers over the whole range.
const golden = 0x9E3779B97F4A7C15

// mix scrambles x so that each bit of the result depends on each bit of x.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 27
	x *= 0x94D049BB133111EB
	return x ^ x>>31
}

// dice is one independent stream of seeded numbers.
type dice uint64

// The streams. Each kind of value has its own, so that a change to one does not affect
// the others.
const (
	saltPaymentID = iota + 1
	saltPayment
	saltGroup
	saltOrderID
	saltOrder
	saltOwners
	saltItemID
	saltSpelling
	saltPoison
	saltRefuse
	saltDeny
	saltFault
	saltCommandFault
	saltLatency
	saltCost
	saltMutate
	saltSecret
	saltToken
	saltWrong
	saltReturns
	saltRelated
)

func newDice(seed uint64, salt uint64) dice {
	return dice(mix(mix(seed+golden) ^ mix(salt*golden)))
}

// roll returns the n-th number of the stream.
func (d dice) roll(n uint64) uint64 { return mix(uint64(d) + n*golden) }

// hit reports whether the n-th number falls into the given share (0 to 1).
func (d dice) hit(n uint64, share float64) bool {
	return share > 0 && float64(d.roll(n)>>11)/(1<<53) < share
}
