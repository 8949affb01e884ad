package main

import (
	"github.com/spf13/pflag"

	"b24export/bitrix/bitrixtest"
)

// serverFlags adds the flags for how the fake portal's server differs from its
// documentation. docs/portals.md says which servers do so.
func serverFlags(flags *pflag.FlagSet, s *bitrixtest.Server) {
	flags.Int64Var(&s.EmptyBehind, "empty-behind", 0, "show no payment above this `id` in lists, and count them all; -1: show none")
	flags.BoolVar(&s.TypesForAdmins, "types-for-admins", false, "refuse crm.type.list with --not-admin")
	flags.BoolVar(&s.OtherTypesEmpty, "other-types-empty", false, "show no payments of CRM items other than deals and smart invoices")
	flags.BoolVar(&s.OneRefusal, "one-refusal", false, "refuse a payment that is not there and one that is not for this user in the same words")
	flags.DurationVar(&s.CountCost, "count-cost", 0, "what counting a list costs for each row, as old servers load all rows for it")
}
