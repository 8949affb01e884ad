package bitrixtest

import (
	"errors"
	"fmt"
	"time"
)

// Server configures how the portal's server differs from its documentation. All of this
// was read in public copies of the modules' source, or in recorded answers;
// docs/portals.md has the list. The zero value differs in nothing.
type Server struct {
	// EmptyBehind makes a walk of sale.payment.list show no payment above this id,
	// while the list counts them all. If it is negative, the list shows none. 0: it
	// shows all.
	EmptyBehind int64
	// CountCost is the cost of counting, per counted row: old list methods load every
	// row for that. It also sets Options.TakeTime.
	CountCost time.Duration
	// TypesForAdmins refuses crm.type.list to a user who is not an administrator.
	TypesForAdmins bool
	// OtherTypesEmpty makes crm.item.payment.list return an empty list for CRM types
	// other than deals and smart invoices.
	OtherTypesEmpty bool
	// OneRefusal makes a get return the same error for a payment that does not exist
	// and for one that this user may not read, as the newest module does.
	OneRefusal bool
	// BadTexts are payments whose payment system has a name that is not UTF-8. PHP
	// cannot encode an answer with one, and the whole request ends in WRONG_ENCODING.
	BadTexts []int64
	// BadRows are the ids of orders, owners, companies, contacts, users and payment
	// systems with such a text. Answers that contain more of their fields than the id
	// cannot be encoded.
	BadRows []int64
	// Ban is how long a method that is over its operating budget is refused. It counts
	// from zero afterwards, as in the newest module (300 s). Each call meanwhile
	// restarts the ban. 0: the method is refused until a basket expires.
	Ban time.Duration
	// ResetLate is added to operating_reset_at, which may then be beyond the window.
	ResetLate time.Duration
	// Weight multiplies the recorded operating time. Default: 1.
	Weight float64
}

// validate returns an error if the configuration is not valid.
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

// hides reports whether a walk does not list the payment.
func (s *Server) hides(id int64) bool {
	return s.EmptyBehind < 0 || s.EmptyBehind > 0 && id > s.EmptyBehind
}
