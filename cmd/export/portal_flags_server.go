package main

import (
	"github.com/spf13/pflag"

	"b24export/bitrix/bitrixtest"
)

// serverFlags adds the flags that make the fake portal's server differ from its
// documentation. docs/portals.md lists the servers that do so.
func serverFlags(flags *pflag.FlagSet, s *bitrixtest.Server) {
	flags.Int64Var(&s.EmptyBehind, "empty-behind", 0, "show no payment above this `id` in lists, but count all; -1: show none")
	flags.BoolVar(&s.TypesForAdmins, "types-for-admins", false, "refuse crm.type.list with --not-admin")
	flags.BoolVar(&s.OtherTypesEmpty, "other-types-empty", false, "show no payments of owners other than deals and smart invoices")
	flags.BoolVar(&s.OneRefusal, "one-refusal", false, "use the same message for a payment that does not exist and one that the user may not see")
	flags.Int64SliceVar(&s.BadTexts, "bad-text", nil, "payments, by `id`, with a text that PHP cannot encode: WRONG_ENCODING")
	flags.Int64SliceVar(&s.BadRows, "bad-row", nil, "orders, owners, companies, contacts, users and payment systems, by `id`, with such a text")
	flags.DurationVar(&s.Ban, "ban", 0, "time for which a method over its operating budget is refused; each call begins it again")
	flags.DurationVar(&s.ResetLate, "reset-late", 0, "time by which operating_reset_at is late")
	flags.Float64Var(&s.Weight, "weight", 0, "factor for the operating time that is booked (default 1)")
	flags.DurationVar(&s.CountCost, "count-cost", 0, "time to count a list, per row, as old servers load all rows for it")
}
