package bitrixtest

import (
	"errors"
	"fmt"
	"time"
)

// Server says how the portal's server differs from its documentation. All of it
// was read in public copies of the modules' source, or in recorded answers;
// docs/portals.md has the list. The zero value differs in nothing.
type Server struct {
	// EmptyBehind makes sale.payment.list show no payment above this id when it
	// is walked, while it counts them all. Negative: it shows none. 0: it shows
	// all.
	EmptyBehind int64
	// CountCost is what counting costs for each row counted: old list methods
	// load every row for that. Options.TakeTime is set if it is.
	CountCost time.Duration
	// TypesForAdmins makes crm.type.list be refused to a user who is no administrator.
	TypesForAdmins bool
	// OtherTypesEmpty makes crm.item.payment.list answer an empty list for CRM types
	// other than deals and smart invoices.
	OtherTypesEmpty bool
	// OneRefusal makes a get say the same of a payment that does not exist and of
	// one that this user must not see, as the newest module does.
	OneRefusal bool
	// BadTexts are payments whose name of a payment system is not UTF-8: PHP cannot encode
	// an answer with one, and the whole request ends in WRONG_ENCODING.
	BadTexts []int64
	// BadRows are the ids of orders, owners, companies, contacts, users and payment systems
	// with such a text, which an answer that lists more of them than ids has.
	BadRows []int64
	// Ban refuses a method that is over its operating budget for so long, and counts from
	// zero afterwards, as the newest module does (300 s). Each call in between begins the
	// ban again. 0: the method is refused until a basket falls out.
	Ban time.Duration
	// Weight multiplies the operating time that is booked. Default: 1.
	Weight float64
}

// validate returns what is wrong with it.
func (s *Server) validate() error {
	var problems []error
	if s.CountCost < 0 {
		problems = append(problems, fmt.Errorf("Server.CountCost: %v: must not be negative", s.CountCost))
	}
	if s.Ban < 0 {
		problems = append(problems, fmt.Errorf("Server.Ban: %v: must not be negative", s.Ban))
	}
	if s.Weight < 0 {
		problems = append(problems, fmt.Errorf("Server.Weight: %v: must not be negative", s.Weight))
	}
	return errors.Join(problems...)
}

// hides reports whether a walk does not show the payment.
func (s *Server) hides(id int64) bool {
	return s.EmptyBehind < 0 || s.EmptyBehind > 0 && id > s.EmptyBehind
}
