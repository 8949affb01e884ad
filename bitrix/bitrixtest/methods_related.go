package bitrixtest

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// people implements crm.item.list for companies and contacts.
func (c *call) people(kind int64) *apiError {
	x := c.x
	conditions, wrong := c.itemConditions()
	if wrong != nil {
		return wrong
	}
	pg := c.page(itemFields)
	chosen := c.args.param("select").texts()
	if len(chosen) == 0 {
		x.p.rules.broken(x, "crm.item.list: without a select comes searchContent, which has all contact data in one text")
	}
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	w := x.writer(append(c.out, `{"items":[`...))
	total := int64(0)
	rest, from, to := bounds(conditions, 0)
	first, last := max(from, 1), min(to, x.p.data.people(kind))
	ids := func(yield func(int64) bool) {
		for id := first; id <= last; id++ {
			if !yield(id) {
				return
			}
		}
	}
	if others, named, ok := oneOf(conditions, 0); ok {
		rest = others
		ids = slices.Values(slices.DeleteFunc(named, func(id int64) bool { return id < 1 || id > x.p.data.people(kind) }))
	} else if len(rest) == 0 && pg.count {
		total = max(last-first+1, 0)
	}
	counted := total > 0
	seen := int64(0)
	for id := range ids {
		if !allMeet(rest, id) {
			continue
		}
		if seen >= pg.start && seen < pg.start+pg.limit {
			w.separate()
			w.person(kind, id, chosen)
		}
		if seen++; seen >= pg.start+pg.limit && (counted || !pg.count) {
			break
		}
	}
	if !counted {
		total = seen
	}
	c.out = append(w.b, "]}"...)
	c.turned(pg, total)
	return nil
}

func (w *writer) person(kind, id int64, chosen []string) {
	w.about = uint64(id)<<8 | uint64(kind)<<1 | spelledByList
	w.b = append(w.b, '{')
	if wants(chosen, "id") {
		w.id("id", id)
	}
	name, last := PersonName(kind, id)
	if kind == companyType {
		if wants(chosen, "title") {
			w.badRow(id)
			w.word("title", name, string(appendString(nil, name)))
		}
	} else {
		if wants(chosen, "name") {
			w.badRow(id)
			w.word("name", name, string(appendString(nil, name)))
		}
		if wants(chosen, "lastName") {
			if last == "" {
				w.fixed("lastName", absentForms[w.choose("lastName", 2)])
			} else {
				w.word("lastName", last, string(appendString(nil, last)))
			}
		}
	}
	if wants(chosen, "searchContent") && slices.Contains(chosen, "searchContent") {
		w.fixed("searchContent", `"all of it"`)
	}
	w.b = append(w.b, '}')
}

// ownItem writes the fields with the responsible user and the state of an item.
func (w *writer) ownItem(it *Item, chosen []string) {
	if wants(chosen, "categoryId") {
		// 0 is a category; it never means that there is none.
		w.fixed("categoryId", [...]string{strconv.FormatInt(it.CategoryID, 10), `"` + strconv.FormatInt(it.CategoryID, 10) + `"`}[w.choose("categoryId", 2)])
	}
	if wants(chosen, "stageId") {
		w.fixed("stageId", `"`+it.StageID+`"`)
	}
	if wants(chosen, "companyId") {
		w.optional("companyId", it.CompanyID)
	}
	if wants(chosen, "contactId") {
		w.optional("contactId", it.ContactID)
	}
	off := int64(w.c.Related.ItemTimes.Seconds())
	if wants(chosen, "createdTime") {
		w.date("createdTime", it.Created.Unix()+off)
	}
	if wants(chosen, "updatedTime") {
		w.date("updatedTime", it.Updated.Unix()+off)
	}
	if wants(chosen, "closedate") {
		unix := int64(0)
		if !it.CloseDate.IsZero() {
			unix = it.CloseDate.Unix()
		}
		w.date("closedate", unix)
	}
	if it.closedKnown && wants(chosen, "closed") {
		w.flag("closed", it.Closed)
	}
}

// userGet implements user.get. Its parameters differ from those of other lists: sort is
// a field's name and order a direction, two strings.
func (c *call) userGet() *apiError {
	x := c.x
	for _, name := range []string{"sort", "order"} {
		if v := c.args.param(name); v.kind == kindArray {
			c.ignored(name + " as a map: user.get takes two texts")
		}
	}
	if sort := c.args.param("sort").text; sort != "" && !strings.EqualFold(sort, "ID") {
		c.ignored("a sort by " + sort + ", which the fake portal does not have")
	}
	conditions := x.c.conditions(c.args.param("filter"), []field{{"ID", intField}}, c.ignored)
	start := c.args.param("start")
	from := max(start.int(), 0)
	if from%pageSize != 0 {
		c.ignored("a start of " + start.text + ", which begins no page")
		from -= from % pageSize
	}
	chosen := c.args.param("select").texts()
	has := func(name string) bool { return wants(chosen, name) }
	w := x.writer(append(c.out, '['))
	total := int64(0)
	for _, u := range x.p.Users() {
		if !allMeet(conditions, u.ID) {
			continue
		}
		if total >= from && total < from+pageSize {
			w.separate()
			w.about = uint64(u.ID)<<1 | spelledByList
			w.b = append(w.b, '{')
			w.fixed("ID", `"`+strconv.FormatInt(u.ID, 10)+`"`)
			if has("ACTIVE") {
				w.fixed("ACTIVE", strconv.FormatBool(u.Active))
			}
			if has("NAME") {
				w.badRow(u.ID)
				w.word("NAME", u.Name, string(appendString(nil, u.Name)))
			}
			if has("LAST_NAME") && (u.LastName != "" || u.ID%2 == 0) { // an empty field may be missing
				w.word("LAST_NAME", u.LastName, string(appendString(nil, u.LastName)))
			}
			if has("USER_TYPE") && u.UserType != "" {
				w.fixed("USER_TYPE", `"`+u.UserType+`"`)
			}
			if len(chosen) == 0 {
				w.fixed("IS_ONLINE", `"N"`)
				w.fixed("EMAIL", `"user@example.com"`)
				w.fixed("TIMESTAMP_X", `{}`)
				w.fixed("LAST_ACTIVITY_DATE", `{}`)
				w.fixed("UF_DEPARTMENT", `[1]`)
			}
			w.b = append(w.b, '}')
		}
		total++
	}
	c.out = append(w.b, ']')
	if start.int() != -1 {
		c.total = total
	}
	return nil
}

// paySystemList implements sale.paysystem.list. Its parameters are in capitals, and it
// has no start.
func (c *call) paySystemList() *apiError {
	x := c.x
	if x.c.Rights.NotAdmin {
		return &apiError{403, "ACCESS_DENIED", false, "Access denied!"}
	}
	for i := range c.args.items {
		switch name := c.args.items[i].key; name {
		case "SELECT", "FILTER", "ORDER", "auth":
		default:
			c.ignored("the parameter " + name + ": it knows SELECT, FILTER and ORDER")
		}
	}
	parameter := func(name string) *value {
		if v, ok := c.args.get(name); ok {
			return v
		}
		return &value{}
	}
	conditions := x.c.conditions(parameter("FILTER"), []field{{"ID", intField}}, c.ignored)
	if _, ok := parameter("ORDER").get("ID"); !ok {
		c.ignored("nothing, but without an order by ID systems come by SORT")
	}
	chosen := parameter("SELECT").texts()
	limit := int64(pageSize)
	if x.c.Related.SystemsAtOnce {
		limit = math.MaxInt64
	}
	w := x.writer(append(c.out, '['))
	n := int64(0)
	for _, s := range x.p.Systems() {
		if !allMeet(conditions, s.ID) || n >= limit {
			continue
		}
		n++
		w.separate()
		w.about = uint64(s.ID)<<1 | spelledByList
		w.b = append(w.b, '{')
		w.id("ID", s.ID)
		if wants(chosen, "NAME") {
			w.badRow(s.ID)
			w.word("NAME", s.Name, string(appendString(nil, s.Name)))
		}
		if wants(chosen, "ACTIVE") {
			w.fixed("ACTIVE", map[bool]string{true: `"Y"`, false: `"N"`}[s.Active])
		}
		if wants(chosen, "IS_CASH") {
			w.fixed("IS_CASH", `"`+s.IsCash+`"`)
		}
		if len(chosen) == 0 {
			w.fixed("PS_MODE", `null`)
			w.fixed("XML_ID", `"bx_same"`)
		}
		w.b = append(w.b, '}')
	}
	c.out = append(w.b, ']')
	return nil
}

// statusList implements crm.status.list: all directories of the CRM, including stages.
func (c *call) statusList() *apiError {
	x := c.x
	switch x.c.Related.StatusDenied {
	case "":
	case "code":
		return &apiError{400, "", false, "Access denied."}
	case "number":
		return &apiError{400, "0", true, "Access denied."}
	case "text":
		return &apiError{400, "Access denied.", false, ""}
	}
	for i := range c.args.items {
		switch name := strings.ToLower(c.args.items[i].key); name {
		case "order", "filter", "start", "auth":
		default:
			c.ignored("the parameter " + name)
		}
	}
	type statusRow struct {
		entity, code, name, category, semantics string
		sort                                    int
	}
	var rows []statusRow
	for _, d := range directories {
		rows = append(rows, statusRow{entity: d.entity, code: d.code, name: d.name, sort: 10})
	}
	for _, f := range funnels {
		category := ""
		if f.kind == 2 && f.id != 0 {
			category = strconv.FormatInt(f.id, 10)
		}
		for i, s := range f.stages {
			rows = append(rows, statusRow{f.entity, f.prefix + s.code, s.name, category, s.semantics, 10 * (i + 1)})
		}
	}
	from, limit := max(c.args.param("start").int(), 0), int64(pageSize)
	if x.c.Related.StatusesAtOnce {
		from, limit = 0, math.MaxInt64
	}
	text := func(s string) string {
		if s == "" {
			return "null"
		}
		return `"` + s + `"`
	}
	w := x.writer(append(c.out, '['))
	for i, r := range rows {
		if int64(i) < from || int64(i)-from >= limit {
			continue
		}
		w.separate()
		w.b = append(w.b, '{')
		w.fixed("ID", `"`+strconv.Itoa(100+i)+`"`)
		w.fixed("ENTITY_ID", text(r.entity))
		w.fixed("STATUS_ID", text(r.code))
		w.fixed("NAME", string(appendString(nil, r.name)))
		w.fixed("NAME_INIT", `""`)
		w.fixed("SORT", `"`+strconv.Itoa(r.sort)+`"`)
		w.fixed("SYSTEM", `"Y"`)
		w.fixed("CATEGORY_ID", text(r.category))
		w.fixed("SEMANTICS", text(r.semantics))
		w.fixed("EXTRA", `[]`)
		w.b = append(w.b, '}')
	}
	c.out = append(w.b, ']')
	c.total = int64(len(rows))
	return nil
}

// categoryList implements crm.category.list: the funnels of one type.
func (c *call) categoryList() *apiError {
	x := c.x
	param := c.args.param("entityTypeId")
	if param.kind == kindNone {
		return errMissing("entityTypeId")
	}
	kind := param.int()
	if _, ok := typeNumber(kind); !ok && kind != contactType && kind != companyType {
		return errNoType
	}
	if kind == 142 {
		return &apiError{400, "ENTITY_TYPE_NOT_SUPPORTED", false, "Entity type is not supported"}
	}
	w := x.writer(append(c.out, `{"categories":[`...))
	total := int64(0)
	for _, f := range funnels {
		if f.kind != kind {
			continue
		}
		total++
		w.separate()
		w.b = append(w.b, '{')
		w.fixed("id", strconv.FormatInt(f.id, 10))
		w.fixed("name", string(appendString(nil, f.name)))
		w.fixed("sort", strconv.FormatInt(100*total, 10))
		w.fixed("entityTypeId", strconv.FormatInt(kind, 10))
		w.fixed("isDefault", map[bool]string{true: `"Y"`, false: `"N"`}[total == 1])
		if f.id != 0 {
			w.fixed("originId", `""`)
			w.fixed("originatorId", `""`)
		}
		w.b = append(w.b, '}')
	}
	c.out = append(w.b, "]}"...)
	c.total = total
	return nil
}
