package bitrixtest

// returned says whether a payment's money was given back, and how.
type returned uint8

const (
	returnedNot           returned = iota // N
	returnedInner                         // Y: to the customer's inner account
	returnedThroughSystem                 // P: through the payment system
)

// giveBack is what the sale module does when it sets IS_RETURN (read in copies of
// 2016 and 2022): a payment whose money has left is no longer paid. Its sum, when
// it was paid and who marked it stay.
func (r *row) giveBack(how returned) {
	r.paid, r.back = false, how
}

// Return returns a payment's money back: through its payment system, or to the
// customer's inner account. It reports false, and changes nothing, if there is no such
// payment or it is not paid. Paying it again ends the return.
func (p *Portal) Return(id int64, throughSystem bool) bool {
	return p.change(OpReturn, id, func(r *row, _ int64) bool {
		if !r.paid {
			return false
		}
		how := returnedInner
		if throughSystem {
			how = returnedThroughSystem
		}
		r.giveBack(how)
		return true
	})
}

// responsible is the user who answers for the payment; 0: nobody.
func (r *row) responsible() int64 {
	if r.order%29 == 0 {
		return 0
	}
	return 1 + r.order%7
}
