package main

import (
	"github.com/spf13/pflag"

	"b24export/bitrix/bitrixtest"
)

// valueFlags adds the flags for undocumented behaviour of servers with dates, filters
// and events.
func valueFlags(flags *pflag.FlagSet, q *bitrixtest.ValueQuirks) {
	flags.StringVar(&q.Zone, "server-zone", "", "time `zone` of the server, such as Europe/Berlin (default: +03:00 all year)")
	flags.DurationVar(&q.ListShift, "list-shift", 0, "offset of the user minus offset of the server, added to the dates of lists")
	flags.Var(oneOf((*string)(&q.DateFormat), string(bitrixtest.DatesRight), string(bitrixtest.DatesSwapped), string(bitrixtest.DatesShort),
		string(bitrixtest.DatesNull), string(bitrixtest.DatesMinutes), string(bitrixtest.DatesDays)),
		"date-format", "format of the dates of lists: right, swapped (DD/MM/YYYY), short (DD.MM.YY), null, minutes, days")
	flags.BoolVar(&q.ProfileOffset, "profile-offset", false, "return TIME_ZONE_OFFSET from the method profile")
	flags.BoolVar(&q.ListNames, "list-names", false, "use other names for payment systems in lists than in gets")
	flags.IntVar(&q.Comments, "comments", 0, "length in `bytes` of each payment's comments")
	flags.BoolVar(&q.CastLists, "cast-lists", false, "read a list in a filter as the number 1, as old self-hosted portals do")
	flags.Var(oneOf((*string)(&q.FilterDates), string(bitrixtest.FilterDatesRight), string(bitrixtest.FilterDatesWall),
		string(bitrixtest.FilterDatesDropped), string(bitrixtest.FilterDatesNothing)),
		"filter-dates", "reading of dates in filters: right, wall (the wall clock of --filter-offset), dropped, nothing (nothing matches)")
	flags.DurationVar(&q.FilterOffset, "filter-offset", 0, "offset of the zone for --filter-dates wall, east of Greenwich, such as -5h")
	flags.Var(oneOf((*string)(&q.Queue), string(bitrixtest.QueueShown), string(bitrixtest.QueueNoProcess), string(bitrixtest.QueueHidden)),
		"queue", "display of reserved events in event.offline.list: shown, no-process (PROCESS_ID is empty), hidden")
	flags.BoolVar(&q.QueueClears, "queue-clears", false, "clear events when they are returned, in spite of clear=0")
	flags.BoolVar(&q.QueueUnreserved, "queue-unreserved", false, "return the same events again and again")
	flags.BoolVar(&q.NoOfflineFeature, "no-offline-feature", false, "use a plan without rest_offline_extended")
	flags.BoolVar(&q.NoFeatureGet, "no-feature-get", false, "reject the method feature.get as unknown")
	flags.BoolVar(&q.NoBind, "no-bind", false, "refuse event.bind")
}
