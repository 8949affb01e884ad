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
		Text: "The portals to export, at least one, here or in the files of `include`. Each goes by itself, under its own limits.",
	},
	{
		Path: "portals[].name", Example: "acme", Flag: "portal",
		Text: "What the portal is called: the folder `portal=acme`. Each name only once. Without one it comes from the " +
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
		Text: "Access as an application, instead of by a webhook.",
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
		Text:    "The application's secret. Only the authorization server gets it.",
		reading: text(func(s *Spec, i int, v string) { s.Portals[i].OAuth.ClientSecret = bitrix.Secret(v) }),
	},
	{
		Path: "portals[].oauth.tokens", Required: true, Secret: true, Example: "/var/lib/b24export/beta.json",
		Text: "Where the rotating pair of tokens lives: a file, which is kept at mode 0600, or a bucket's URL. A relative " +
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
		Text: "The limits that the portal's plan has. `standard`: 2 requests a second, 50 at once; `enterprise`: 5 and 250; " +
			"both with 480 s of operating time a method in 10 minutes; `unlimited` (some self-hosted portals): none.",
		reading: oneOf(func(s *Spec, i int, v Plan) { s.Portals[i].Plan = v }, PlanStandard, PlanEnterprise, PlanUnlimited),
	},
	{
		Path: "portals[].limits", Type: typeSection,
		Text: "Limits in the place of the plan's. Those that are not given are the plan's.",
	},
	{
		Path: "portals[].limits.rate", Example: "5", Flag: "rate",
		Text:    "Requests a second; 0: no limit.",
		reading: number(0, 10_000, func(s *Spec, i int, v float64) { s.Portals[i].Limits.Rate = new(v) }),
	},
	{
		Path: "portals[].limits.burst", Example: "250", Flag: "burst",
		Text:    "Requests at once; 0: no limit, and then `rate` is none either.",
		reading: count(0, 1_000_000, func(s *Spec, i int, v int64) { s.Portals[i].Limits.Burst = new(int(v)) }),
	},
	{
		Path: "portals[].limits.operating", Example: "480s", Flag: "operating",
		Text:    "The operating time that one method may use within the window.",
		reading: span(time.Millisecond, day, "no budget", func(s *Spec, i int, v time.Duration) { s.Portals[i].Limits.Operating = new(v) }),
	},
	{
		Path: "portals[].limits.operating_window", Example: "10m", Flag: "operating-window",
		Text: "That window. Without it, the plan's 10 minutes.",
		reading: span(time.Millisecond, day, "", func(s *Spec, i int, v time.Duration) {
			s.Portals[i].Limits.OperatingWindow = new(v)
		}),
	},
	{
		Path: "portals[].limits.share", Default: "1", Example: "0.8", Flag: "share",
		Text:    "The part of `rate` and `burst` that this job may use. The rest is left to the portal's other integrations.",
		reading: number(0.01, 1, func(s *Spec, i int, v float64) { s.Portals[i].Limits.Share = v }),
	},
	{
		Path: "portals[].limits.concurrency", Example: "16", Flag: "concurrency",
		Text: "Requests under way at the same time. Without it, 64 where there is a rate, so that the rate decides even if " +
			"the portal is slow, else 16.",
		reading: count(1, 256, func(s *Spec, i int, v int64) { s.Portals[i].Limits.Concurrency = int(v) }),
	},
}

// maxID bounds nothing: the portal's ids are what fits.
const maxID = math.MaxInt64

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// sourceKeys are the keys of how payments are found and read.
var sourceKeys = []Key{
	{
		Path: "source", Type: typeSection,
		Text: "How payments are found and read.",
	},
	{
		Path: "source.list", Default: "auto", Example: "sale", Flag: "list",
		Text: "How payments are found. `sale`: by `sale.payment.list`, for administrators. `bindings`: by the CRM items that " +
			"have orders. `items`: by walking the CRM items of `entity_types`. `ids`: those of `ids`. `auto`: the first of " +
			"`sale` and `bindings` that the rights allow.",
		reading: oneOf(func(s *Spec, _ int, v List) { s.Source.List = v }, ListAuto, ListSale, ListBindings, ListItems, ListIDs),
	},
	{
		Path: "source.entity_types", Example: "[2, 31]", Flag: "entity-types",
		Text: "Of `list: items`: the CRM types to walk: 2 deals, 31 smart invoices, from 128 smart processes. Without it, " +
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
		Text: "Of `list: ids`: which payments; `from` and `to`, or `file`.",
	},
	{
		Path: "source.ids.from", Example: "1", Flag: "ids-from",
		Text:    "The first id.",
		reading: count(1, maxID, func(s *Spec, _ int, v int64) { s.Source.IDs.From = v }),
	},
	{
		Path: "source.ids.to", Example: "100000", Flag: "ids-to",
		Text:    "The last id; it is still one of them.",
		reading: count(1, maxID, func(s *Spec, _ int, v int64) { s.Source.IDs.To = v }),
	},
	{
		Path: "source.ids.file", Example: "ids.txt", Flag: "ids-file",
		Text:    "A file of one id a line. A relative path is relative to the job file's folder.",
		reading: text(func(s *Spec, _ int, v string) { s.Source.IDs.File = v }),
	},
	{
		Path: "source.enrich", Default: "get", Example: "list", Flag: "enrich",
		Text: "Where values come from. `get`: `crm.item.payment.get` for each payment. `list`: what the listing " +
			"returned, which is far cheaper.",
		reading: oneOf(func(s *Spec, _ int, v Enrich) { s.Source.Enrich = v }, EnrichGet, EnrichList),
	},
	{
		Path: "source.batch", Default: "auto", Example: "never", Flag: "batch",
		Text:    "`auto`: up to 50 calls travel in one request. `never`: each by itself, for portals that misbehave in batches.",
		reading: oneOf(func(s *Spec, _ int, v Batch) { s.Source.Batch = v }, BatchAuto, BatchNever),
	},
	{
		Path: "source.fields", Default: "[]", Example: "[companyId, comments]", Flag: "fields",
		Text: "More fields of `sale.payment.list`, kept in the column `extra`.",
		reading: many(field(func(s *Spec, _ int, v string) { s.Source.Fields = append(s.Source.Fields, v) }),
			func(s *Spec, _ int) { s.Source.Fields = nil },
			func(s *Spec, _ int, text string) bool { return slices.Contains(s.Source.Fields, text) }),
	},
	{
		Path: "source.since", Default: "list", Example: "orders", Flag: "since",
		Text: "Of an incremental job: what tells a change. `list`: the listing of all payments, held against the last " +
			"snapshot. `orders`: the orders saved since the last run. `events`: the application's queue of events, which needs `oauth`.",
		reading: oneOf(func(s *Spec, _ int, v Since) { s.Source.Since = v }, SinceList, SinceOrders, SinceEvents),
	},
	{
		Path: "source.related", Default: "[]", Example: "[owners, stages, users]", Flag: "related",
		Text: "Tables beside the payments: " + relatedNames() + ". `companies` and `contacts` need `owners`. `users` needs the " +
			"scope `user`, `pay_systems` the scope `pay_system`.",
		reading: many(relatedTable(func(s *Spec, _ int, v string) { s.Source.Related = append(s.Source.Related, v) }),
			func(s *Spec, _ int) { s.Source.Related = nil },
			func(s *Spec, _ int, text string) bool { return slices.Contains(s.Source.Related, text) }),
	},
	{
		Path: "source.related_every", Default: "24h", Example: "7d", Flag: "related-every",
		Text:    "How often these tables are read at most.",
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
	return reading{typ: "name", rule: rule, read: func(s *Spec, at int, text string) *fault {
		if _, ok := schemas.RelatedNamed(text); !ok {
			return &fault{rule: "must be " + rule}
		}
		p(s, at, text)
		return nil
	}}
}
