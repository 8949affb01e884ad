package main

import (
	"github.com/spf13/pflag"

	"b24export/bitrix/bitrixtest"
)

// valueFlags adds the flags of what servers do with dates, filters and events
// beyond their documentation.
func valueFlags(flags *pflag.FlagSet, q *bitrixtest.ValueQuirks) {
	flags.StringVar(&q.Zone, "server-zone", "", "the server's time `zone`, such as Europe/Berlin (default: +03:00 all year)")
	flags.DurationVar(&q.ListShift, "list-shift", 0, "the user's offset minus the server's: dates of lists are later by it")
	flags.Var(oneOf((*string)(&q.DateFormat), string(bitrixtest.DatesRight), string(bitrixtest.DatesSwapped), string(bitrixtest.DatesShort),
		string(bitrixtest.DatesNull), string(bitrixtest.DatesMinutes), string(bitrixtest.DatesDays)),
		"date-format", "what the site's date format makes of dates of lists: right, swapped (DD/MM/YYYY), short (DD.MM.YY), null, minutes, days")
	flags.BoolVar(&q.ProfileOffset, "profile-offset", false, "have TIME_ZONE_OFFSET in profile")
	flags.BoolVar(&q.ListNames, "list-names", false, "name payment systems otherwise in lists than in gets")
	flags.BoolVar(&q.CastLists, "cast-lists", false, "read a list in a filter as the number 1, as old self-hosted portals do")
	flags.Var(oneOf((*string)(&q.FilterDates), string(bitrixtest.FilterDatesRight), string(bitrixtest.FilterDatesWall),
		string(bitrixtest.FilterDatesDropped), string(bitrixtest.FilterDatesNothing)),
		"filter-dates", "how dates in filters are read: right, wall (as the wall clock of --filter-offset), dropped, nothing (nothing matches)")
	flags.DurationVar(&q.FilterOffset, "filter-offset", 0, "that zone, east of Greenwich: -5h")
	flags.Var(oneOf((*string)(&q.Queue), string(bitrixtest.QueueShown), string(bitrixtest.QueueNoProcess), string(bitrixtest.QueueHidden)),
		"queue", "how event.offline.list shows reserved events: shown, no-process (PROCESS_ID is empty), hidden")
	flags.BoolVar(&q.QueueClears, "queue-clears", false, "clear events when they are handed over, in spite of clear=0")
	flags.BoolVar(&q.QueueUnreserved, "queue-unreserved", false, "hand the same events over again and again")
	flags.BoolVar(&q.NoOfflineFeature, "no-offline-feature", false, "have a plan without rest_offline_extended")
	flags.BoolVar(&q.NoFeatureGet, "no-feature-get", false, "do not know feature.get")
	flags.BoolVar(&q.NoBind, "no-bind", false, "refuse event.bind")
}
