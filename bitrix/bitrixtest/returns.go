package bitrixtest

// returned is whether and how a payment was refunded.
type returned uint8

const (
	returnedNot           returned = iota // N
	returnedInner                         // Y: to the customer's inner account
	returnedThroughSystem                 // P: through the payment system
)

// giveBack does what the sale module does when it sets IS_RETURN (read in copies of
// 2016 and 2022): a refunded payment is no longer paid. Its sum, the time when it was
// paid, and who marked it do not change.
func (r *row) giveBack(how returned) {
	r.paid, r.back = false, how
}

// Return refunds a payment, through its payment system or to the customer's inner
// account. It returns false, and changes nothing, if there is no such payment or it is
// not paid. Paying it again ends the refund.
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

// responsible returns the user who is responsible for the payment; 0: nobody.
func (r *row) responsible() int64 {
	if r.order%29 == 0 {
		return 0
	}
	return 1 + r.order%7
}
