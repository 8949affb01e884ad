package jobfile

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/schemas"
)

// portalKeys are the keys of the portals.
var portalKeys = []Key{
	{
		Path: "portals[]", Type: typeSections, Required: true,
		Text: "The portals to export, at least one, here or in the files of `include`. Each is exported separately, under its own limits.",
	},
	{
		Path: "portals[].name", Example: "acme", Flag: "portal",
		Text: "The portal's name, which is also its folder: `portal=acme`. Names must be unique. By default the name comes from the " +
			"address: `acme.bitrix24.com` is `acme`, `b24.example.org` is `b24-example-org`.",
		reading: name(portalName, portalRule, func(s *Spec, i int, v string) { s.Portals[i].Name = v }),
	},
	{
		Path: "portals[].webhook", Secret: true, Example: "${B24_WEBHOOK}",
		Text: "The inbound webhook's address, `https://HOST/rest/USER/SECRET/`. Plain http is for loopback addresses only. " +
			"A portal has this or `oauth`.",
		reading: webhook(func(s *Spec, i int, v bitrix.Secret) { s.Portals[i].Webhook = v }),
	},
	{
		Path: "portals[].oauth", Type: typeSection, optional: true,
		Text: "Access as an OAuth application instead of a webhook.",
	},
	{
		Path: "portals[].oauth.portal", Required: true, Example: "https://beta.bitrix24.com",
		Text:    "The portal's address.",
		reading: host(func(s *Spec, i int, v string) { s.Portals[i].OAuth.Portal = v }),
	},
	{
		Path: "portals[].oauth.client_id", Required: true, Example: "${B24_CLIENT_ID}",
		Text:    "The application's id.",
		reading: text(func(s *Spec, i int, v string) { s.Portals[i].OAuth.ClientID = v }),
	},
	{
		Path: "portals[].oauth.client_secret", Required: true, Secret: true, Example: "${B24_CLIENT_SECRET}",
		Text:    "The application's secret. It is sent to the authorization server only.",
		reading: text(func(s *Spec, i int, v string) { s.Portals[i].OAuth.ClientSecret = bitrix.Secret(v) }),
	},
	{
		Path: "portals[].oauth.tokens", Required: true, Secret: true, Example: "/var/lib/b24export/beta.json",
		Text: "Where the rotating pair of tokens is stored: a file, which is kept at mode 0600, or a bucket's URL. A relative " +
			"path is relative to the job file's folder.",
		reading: text(func(s *Spec, i int, v string) { s.Portals[i].OAuth.Tokens = bitrix.Secret(v) }),
	},
	{
		Path: "portals[].oauth.server", Default: "https://oauth.bitrix.info", Example: "https://oauth.bitrix24.tech",
		Text:    "The authorization server.",
		reading: host(func(s *Spec, i int, v string) { s.Portals[i].OAuth.Server = v }),
	},
	{
		Path: "portals[].plan", Default: "standard", Example: "enterprise", Flag: "plan",
		Text: "The portal's plan, which sets its limits. `standard`: 2 requests per second, 50 at once; `enterprise`: 5 and 250; " +
			"both with 480 s of operating time per method in 10 minutes; `unlimited` (some self-hosted portals): none.",
		reading: oneOf(func(s *Spec, i int, v Plan) { s.Portals[i].Plan = v }, PlanStandard, PlanEnterprise, PlanUnlimited),
	},
	{
		Path: "portals[].time_zone", Example: "Europe/Berlin", Flag: "time-zone",
		Text: "The time zone of the portal's server, in which its days are counted, by its IANA name. By default it follows from the " +
			"offsets that the portal prints with its dates.",
		reading: zone(func(s *Spec, i int, v *time.Location) { s.Portals[i].TimeZone = v }),
	},
	{
		Path: "portals[].limits", Type: typeSection,
		Text: "Limits that replace those of the plan. A limit that is not given stays the plan's.",
	},
	{
		Path: "portals[].limits.rate", Example: "5", Flag: "rate",
		Text:    "Requests per second; 0: no limit.",
		reading: number(0, 10_000, func(s *Spec, i int, v float64) { s.Portals[i].Limits.Rate = new(v) }),
	},
	{
		Path: "portals[].limits.burst", Example: "250", Flag: "burst",
		Text:    "Requests at once; 0: no limit, and then `rate` does not apply either.",
		reading: count(0, 1_000_000, func(s *Spec, i int, v int64) { s.Portals[i].Limits.Burst = new(int(v)) }),
	},
	{
		Path: "portals[].limits.operating", Example: "480s", Flag: "operating",
		Text:    "The operating time that one method may use in a window.",
		reading: span(time.Millisecond, day, "no budget", func(s *Spec, i int, v time.Duration) { s.Portals[i].Limits.Operating = new(v) }),
	},
	{
		Path: "portals[].limits.operating_window", Example: "10m", Flag: "operating-window",
		Text: "The length of the window of `operating`. By default the plan's 10 minutes.",
		reading: span(time.Millisecond, day, "", func(s *Spec, i int, v time.Duration) {
			s.Portals[i].Limits.OperatingWindow = new(v)
		}),
	},
	{
		Path: "portals[].limits.share", Default: "1", Example: "0.8", Flag: "share",
		Text:    "The share of `rate` and `burst` that this job may use. The rest remains for the portal's other integrations.",
		reading: number(0.01, 1, func(s *Spec, i int, v float64) { s.Portals[i].Limits.Share = v }),
	},
	{
		Path: "portals[].limits.concurrency", Example: "16", Flag: "concurrency",
		Text: "Requests in flight at the same time. By default 64 if there is a rate, so that the rate decides even if " +
			"the portal is slow, otherwise 16.",
		reading: count(1, 256, func(s *Spec, i int, v int64) { s.Portals[i].Limits.Concurrency = int(v) }),
	},
}

// maxID is the largest id that fits. The portal has no limit of its own.
const maxID = math.MaxInt64

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// sourceKeys are the keys that control how payments are found and read.
var sourceKeys = []Key{
	{
		Path: "source", Type: typeSection,
		Text: "How payments are found and read.",
	},
	{
		Path: "source.list", Default: "auto", Example: "sale", Flag: "list",
		Text: "How payments are found. `sale`: with `sale.payment.list`, for administrators. `bindings`: through the owners of orders: " +
			"deals, smart invoices and items of smart processes. `items`: by reading all items of `entity_types`. `ids`: the ids in `ids`. `auto`: the first of " +
			"`sale` and `bindings` that the rights allow.",
		reading: oneOf(func(s *Spec, _ int, v List) { s.Source.List = v }, ListAuto, ListSale, ListBindings, ListItems, ListIDs),
	},
	{
		Path: "source.entity_types", Example: "[2, 31]", Flag: "entity-types",
		Text: "For `list: items`: the CRM types to read: 2 deals, 31 smart invoices, 128 and above smart processes. By default " +
			"every type that can have payments.",
		reading: many(entityType(func(s *Spec, _ int, v int64) { s.Source.EntityTypes = append(s.Source.EntityTypes, v) }),
			func(s *Spec, _ int) { s.Source.EntityTypes = nil },
			func(s *Spec, _ int, text string) bool {
				v, err := strconv.ParseInt(text, 10, 64)
				return err == nil && slices.Contains(s.Source.EntityTypes, v)
			}),
	},
	{
		Path: "source.ids", Type: typeSection, optional: true,
		Text: "For `list: ids`: which payments. Give `from` and `to`, or `file`.",
	},
	{
		Path: "source.ids.from", Example: "1", Flag: "ids-from",
		Text:    "The first id.",
		reading: count(1, maxID, func(s *Spec, _ int, v int64) { s.Source.IDs.From = v }),
	},
	{
		Path: "source.ids.to", Example: "100000", Flag: "ids-to",
		Text:    "The last id, inclusive.",
		reading: count(1, maxID, func(s *Spec, _ int, v int64) { s.Source.IDs.To = v }),
	},
	{
		Path: "source.ids.file", Example: "ids.txt", Flag: "ids-file",
		Text:    "A file with one id per line. A relative path is relative to the job file's folder.",
		reading: text(func(s *Spec, _ int, v string) { s.Source.IDs.File = v }),
	},
	{
		Path: "source.enrich", Default: "get", Example: "list", Flag: "enrich",
		Text: "Where values come from. `get`: `crm.item.payment.get` for each payment. `list`: the listing, " +
			"which needs far fewer requests.",
		reading: oneOf(func(s *Spec, _ int, v Enrich) { s.Source.Enrich = v }, EnrichGet, EnrichList),
	},
	{
		Path: "source.batch", Default: "auto", Example: "never", Flag: "batch",
		Text:    "`auto`: one request carries up to 50 commands. `never`: each call is a request of its own, for portals that misbehave in batches.",
		reading: oneOf(func(s *Spec, _ int, v Batch) { s.Source.Batch = v }, BatchAuto, BatchNever),
	},
	{
		Path: "source.fields", Default: "[]", Example: "[companyId, comments]", Flag: "fields",
		Text: "More fields of `sale.payment.list`, stored in the column `extra`.",
		reading: many(field(func(s *Spec, _ int, v string) { s.Source.Fields = append(s.Source.Fields, v) }),
			func(s *Spec, _ int) { s.Source.Fields = nil },
			func(s *Spec, _ int, text string) bool { return slices.Contains(s.Source.Fields, text) }),
	},
	{
		Path: "source.since", Default: "list", Example: "orders", Flag: "since",
		Text: "For an incremental job: how changes are found. `list`: by comparing the listing of all payments with the last " +
			"snapshot. `orders`: from the orders saved since the last run. `events`: from the application's queue of events, which needs `oauth`.",
		reading: oneOf(func(s *Spec, _ int, v Since) { s.Source.Since = v }, SinceList, SinceOrders, SinceEvents),
	},
	{
		Path: "source.related", Default: "[]", Example: "[owners, stages, users]", Flag: "related",
		Text: "More tables to export: " + relatedNames() + ". `companies` and `contacts` need `owners`. `users` needs the " +
			"scope `user`, `pay_systems` the scope `pay_system`.",
		reading: many(relatedTable(func(s *Spec, _ int, v string) { s.Source.Related = append(s.Source.Related, v) }),
			func(s *Spec, _ int) { s.Source.Related = nil },
			func(s *Spec, _ int, text string) bool { return slices.Contains(s.Source.Related, text) }),
	},
	{
		Path: "source.related_every", Default: "24h", Example: "7d", Flag: "related-every",
		Text:    "Read these tables at most this often.",
		reading: span(time.Minute, 10*year, "with each run", func(s *Spec, _ int, v time.Duration) { s.Source.RelatedEvery = v }),
	},
}

func relatedNames() string {
	var names []string
	for _, t := range schemas.Related {
		names = append(names, "`"+t.Name+"`")
	}
	return strings.Join(names, ", ")
}

// relatedTable reads the name of a related table.
func relatedTable(p put[string]) reading {
	rule := "one of " + strings.ReplaceAll(relatedNames(), "`", "")
	return reading{typ: "name", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		if _, ok := schemas.RelatedNamed(text); !ok {
			return &Problem{What: "must be " + rule}
		}
		p(s, at, text)
		return nil
	}}
}
