package jobfile

import (
	"fmt"
	"slices"
	"strings"

	"b24export/pipeline"
)

// rules compares keys with each other. It ignores keys that are wrong by themselves, so
// that one mistake is one problem.
func (d *draft) rules() {
	d.names()
	d.modes()
	d.sources()
	d.ranges()
	for i := range d.spec.Portals {
		d.access(i)
		d.limits(i)
	}
	d.portalNames()
	d.distinct()
	d.profile()
	d.related()
}

// related refuses tables of companies and contacts without the table that refers to
// them.
func (d *draft) related() {
	tables := d.spec.Source.Related
	if d.bad["source.related"] || slices.Contains(tables, "owners") {
		return
	}
	for _, table := range []string{"companies", "contacts"} {
		if slices.Contains(tables, table) {
			d.problem("source.related", Problem{What: table + " needs owners, which refer to them"})
			return
		}
	}
}

// portalNames refuses the name null: the folder portal=null is NULL for DuckDB, and
// ClickHouse then reads NULL for all portals.
func (d *draft) portalNames() {
	for i := range d.spec.Portals {
		if path := fmt.Sprintf("portals[%d].name", i); d.spec.Portals[i].Name == "null" && !d.bad[path] {
			rule := "must not be null"
			if !d.hasSection(path) {
				rule = "is missing, and the one from the address would be null"
			}
			d.problem(path, Problem{What: rule, Hint: "query engines read the folder portal=null as no value"})
		}
	}
}

// profile sets the compression that a profile allows.
func (d *draft) profile() {
	sink := &d.spec.Sink
	switch {
	case sink.Profile != Compatible || d.bad["sink.compression"]:
	case !d.has("sink.compression"):
		sink.Compression = Snappy
	default:
		d.together("sink.compression", sink.Compression == Zstd, "sink.profile", string(Compatible), "it needs snappy or none")
	}
}

// names refuses a dataset whose folder would belong to another dataset.
func (d *draft) names() {
	for _, suffix := range []string{"_history", "_changes", "_rejects"} {
		if d.has("name") && strings.HasSuffix(d.spec.Name, suffix) {
			d.problem("name", Problem{What: "must not end in " + suffix + ": a dataset has folders with such names"})
		}
	}
}

// pointless refuses key, which has no meaning with the value of another key. need is
// the value of that key with which it has one.
func (d *draft) pointless(key, other, value, need string) {
	if d.has(key) && !d.bad[other] {
		d.problem(key, Problem{What: "has no effect with " + d.call(other) + ": " + value, Hint: "it needs " + d.call(other) + ": " + need})
	}
}

// modes compares the mode with the keys that belong to one mode only. If a flag
// replaces the mode of a file, modes ignores the file's keys that belong to the file's
// mode.
func (d *draft) modes() {
	s := d.spec
	if d.bad["mode"] {
		return
	}
	fromFlag := d.name != "" && d.given["mode"].label != ""
	aside := func(key string) bool { return fromFlag && d.given[key].label == "" }
	if s.Mode != pipeline.Incremental {
		for _, key := range []string{"full_every", "source.since"} {
			if !aside(key) {
				d.pointless(key, "mode", string(s.Mode), "incremental")
			}
		}
	}
	if s.Mode != pipeline.Backfill {
		for _, key := range []string{"backfill.billed", "backfill.paid"} {
			if d.hasSection(key) && !aside(key) {
				d.pointless(d.first(key), "mode", string(s.Mode), "backfill")
			}
		}
		return
	}
	parts := []string{}
	for _, key := range []string{"backfill.billed", "backfill.paid", "source.ids"} {
		if d.hasSection(key) {
			parts = append(parts, key)
		}
	}
	switch {
	case len(parts) == 0:
		d.problem("mode", Problem{What: "needs to know which part of the past: " + d.callSection("backfill.billed") + ", " +
			d.callSection("backfill.paid") + " or " + d.callSection("source.ids")})
	case len(parts) > 1:
		d.problem(d.first(parts[1]), Problem{What: "cannot be given together with " + d.callSection(parts[0]) + ": a backfill has one range"})
	case parts[0] != "source.ids" && s.Source.List != ListAuto && s.Source.List != ListSale:
		d.together(d.first(parts[0]), true, "source.list", string(s.Source.List), "only sale.payment.list can be asked for days")
	}
}

// hasSection reports whether a section, or anything in it, was given.
func (d *draft) hasSection(section string) bool { return d.first(section) != "" }

// first returns the section's path if it was given, otherwise the first given key in
// it. Flags give keys without their section.
func (d *draft) first(section string) string {
	for _, path := range d.order {
		if path == section || strings.HasPrefix(path, section+".") {
			return path
		}
	}
	return ""
}

// callSection returns what the user calls a section: its path, or its first flag.
func (d *draft) callSection(path string) string {
	if d.name != "" {
		return path
	}
	return "--" + path[strings.LastIndexByte(path, '.')+1:] + "-from"
}

// sources compares the ways to find and read payments with each other.
func (d *draft) sources() {
	s := &d.spec.Source
	if d.bad["source.list"] {
		return
	}
	list := string(s.List)
	if s.List != ListItems {
		d.pointless("source.entity_types", "source.list", list, "items")
	}
	switch {
	case s.List == ListIDs && !d.hasSection("source.ids"):
		d.problem("source.list", Problem{What: "needs the ids: " + d.callSection("source.ids")})
	case s.List != ListIDs && d.hasSection("source.ids"):
		d.pointless(d.first("source.ids"), "source.list", list, "ids")
	}
	if s.List == ListIDs {
		d.together("source.enrich", s.Enrich == EnrichList, "source.list", list, "a list of ids has no values to take")
		d.together("source.since", s.Since != SinceList, "source.list", list, "the ids say which payments to look at")
	}
	if s.List == ListBindings || s.List == ListItems {
		d.together("source.since", s.Since != SinceList, "source.list", list, "changes are found with sale.order.list and sale.payment.list")
	}
	if s.List != ListAuto && s.List != ListSale && len(s.Fields) > 0 {
		d.together("source.fields", true, "source.list", list, "only sale.payment.list has them")
	}
	if s.Since == SinceEvents && d.has("source.since") {
		for i := range d.spec.Portals {
			portal := fmt.Sprintf("portals[%d]", i)
			if d.spec.Portals[i].OAuth == nil && !d.bad[portal] {
				d.problem("source.since", Problem{What: "needs " + d.portal(i) + ".oauth: only applications have a queue of events"})
				break
			}
		}
	}
}

// together refuses key together with another one that has this value.
func (d *draft) together(key string, wrong bool, other, value, why string) {
	if wrong && d.has(key) && !d.bad[other] {
		d.problem(key, Problem{What: "cannot be given with " + d.call(other) + ": " + value, Hint: why})
	}
}

// ranges compares the ends of ranges.
func (d *draft) ranges() {
	ids := d.spec.Source.IDs
	from, to := d.has("source.ids.from"), d.has("source.ids.to")
	switch {
	case d.has("source.ids.file") && (from || to):
		other := "source.ids.from"
		if !from {
			other = "source.ids.to"
		}
		d.problem("source.ids.file", Problem{What: "cannot be given together with " + d.call(other)})
	case d.has("source.ids.file"):
	case d.has("source.ids") && !d.hasSection("source.ids.from") && !d.hasSection("source.ids.to") && !d.hasSection("source.ids.file"):
		d.problem("source.ids", Problem{What: "must have from and to, or file"})
	case from && !d.hasSection("source.ids.to"):
		d.problem("source.ids.to", Problem{What: "is missing", Hint: "it goes with " + d.call("source.ids.from")})
	case to && !d.hasSection("source.ids.from"):
		d.problem("source.ids.from", Problem{What: "is missing", Hint: "it goes with " + d.call("source.ids.to")})
	case from && to && ids.From > ids.To:
		d.problem("source.ids.to", Problem{What: "must not be below " + d.call("source.ids.from")})
	}
	d.days("backfill.billed", d.spec.Backfill.Billed)
	d.days("backfill.paid", d.spec.Backfill.Paid)
}

func (d *draft) days(section string, r DateRange) {
	from, to := section+".from", section+".to"
	hasFrom, hasTo := d.hasSection(from), d.hasSection(to)
	missing, there := from, to
	if hasFrom {
		missing, there = to, from
	}
	switch {
	case hasFrom != hasTo && !d.bad[missing]: // from flags; the file's sections have been checked
		d.problem(missing, Problem{What: "is missing", Hint: "it goes with " + d.call(there)})
	case d.has(from) && d.has(to) && !r.From.Before(r.To):
		d.problem(to, Problem{What: "must be after " + d.call(from), Hint: "it is the day after the last one"})
	}
}

// access compares the two ways to access a portal, and names the portal.
func (d *draft) access(i int) {
	p := &d.spec.Portals[i]
	path := fmt.Sprintf("portals[%d]", i)
	if d.bad[path] {
		return
	}
	hook, oauth := path+".webhook", path+".oauth"
	switch {
	case d.hasSection(hook) && d.hasSection(oauth):
		d.problem(oauth, Problem{What: "cannot be given together with " + hook + ": a portal has only one of them"})
	case !d.hasSection(hook) && !d.hasSection(oauth) && !d.bad[hook] && !d.bad[oauth]:
		d.problem(hook, Problem{What: "is missing", Hint: "a portal needs " + hook + " or " + oauth})
	}
	if p.Name != "" || d.hasSection(path+".name") || d.bad[hook] || d.bad[oauth] || d.bad[oauth+".portal"] {
		return
	}
	if d.withheld[hook] || d.withheld[oauth+".portal"] {
		d.problem(path+".name", Problem{
			What: "is missing, and the portal's address, which it would come from, is not set here",
			Hint: "give the portal a name, or set what the address refers to",
		})
		return
	}
	p.Name = portalNameOf(p.Address())
	if !portalName.MatchString(p.Name) {
		d.problem(path+".name", Problem{What: "is missing, and no name can be made of the address"})
	}
}

// limits compares a portal's limits with each other. It refuses contradictions, because
// either result would surprise.
func (d *draft) limits(i int) {
	l := &d.spec.Portals[i].Limits
	path := fmt.Sprintf("portals[%d].limits.", i)
	rate, burst := path+"rate", path+"burst"
	if d.has(rate) && d.has(burst) {
		switch {
		case *l.Rate > 0 && *l.Burst == 0:
			d.problem(burst, Problem{What: "means no limit, which " + d.call(rate) + " contradicts"})
		case *l.Rate == 0 && *l.Burst > 0:
			d.problem(rate, Problem{What: "means no limit, which " + d.call(burst) + " contradicts"})
		}
	}
	plan := d.spec.Portals[i].Plan
	if d.has(burst) && !d.hasSection(rate) && *l.Burst > 0 && plan == PlanUnlimited {
		d.problem(burst, Problem{What: "needs " + d.call(rate) + ", since " + d.call(fmt.Sprintf("portals[%d].plan", i)) + ": unlimited has none"})
	}
	window := path + "operating_window"
	if d.has(window) && d.spec.Portals[i].EffectiveLimits().Operating == 0 && !d.bad[path+"operating"] {
		d.problem(window, Problem{What: "has no effect without a budget: " + d.call(path+"operating")})
	}
}

// distinct refuses portals that are the same.
func (d *draft) distinct() {
	names, hooks, pairs := make(map[string]int), make(map[string]int), make(map[string]int)
	for i := range d.spec.Portals {
		p := &d.spec.Portals[i]
		name, hook := fmt.Sprintf("portals[%d].name", i), fmt.Sprintf("portals[%d].webhook", i)
		if p.Name != "" && !d.bad[name] {
			if first, ok := names[p.Name]; ok {
				rule := "is the name of " + d.portal(first) + " already"
				if !d.hasSection(name) {
					rule = fmt.Sprintf("is missing: the one from the address, %s, %s", p.Name, rule)
				}
				d.problem(name, Problem{What: rule})
			} else {
				names[p.Name] = i
			}
		}
		if text := strings.TrimRight(p.Webhook.Reveal(), "/"); d.has(hook) {
			if first, ok := hooks[text]; ok {
				d.problem(hook, Problem{What: "is the webhook of " + d.portal(first) + " already"})
			} else {
				hooks[text] = i
			}
		}
		if tokens := fmt.Sprintf("portals[%d].oauth.tokens", i); d.has(tokens) {
			if first, ok := pairs[p.OAuth.Tokens.Reveal()]; ok {
				d.problem(tokens, Problem{What: "is where the tokens of " + d.portal(first) + " are already", Hint: "each portal has tokens of its own"})
			} else {
				pairs[p.OAuth.Tokens.Reveal()] = i
			}
		}
	}
}
