package bitrixtest

var itemFields = []field{
	{"id", intField},
}

// itemList implements crm.item.list: the items of one type.
func (c *call) itemList() *apiError {
	x := c.x
	param := c.args.param("entityTypeId")
	if param.kind == kindNone {
		return errMissing("entityTypeId")
	}
	if kind := param.int(); kind == companyType || kind == contactType {
		return c.people(kind)
	}
	kind, ok := typeNumber(param.int())
	if !ok {
		return errNoType
	}
	conditions, wrong := c.itemConditions()
	if wrong != nil {
		return wrong
	}
	pg := c.page(itemFields)
	chosen := c.args.param("select").texts()
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	l := x.p.data
	w := x.writer(append(c.out, `{"items":[`...))
	rest, from, to := bounds(conditions, 0)
	total := int64(0)
	low, _ := l.items[kind].rank(from)
	high, exact := l.items[kind].rank(to)
	if exact {
		high++
	}
	low, high = min(low, l.itemCount(kind)), min(high, l.itemCount(kind))
	if _, ids, ok := oneOf(conditions, 0); ok && len(ids) > 0 {
		low, _ = l.items[kind].rank(ids[0])
		high, _ = l.items[kind].rank(ids[len(ids)-1] + 1)
		low, high = min(low, l.itemCount(kind)), min(high, l.itemCount(kind))
	}
	if len(rest) == 0 { // no need to visit the items before the page
		total = max(high-low, 0)
		if pg.down {
			high = max(high-pg.start, low)
			low = max(low, high-pg.limit)
		} else {
			low = min(low+pg.start, high)
			high = min(high, low+pg.limit)
		}
		for i := range high - low {
			n := low + i
			if pg.down {
				n = high - 1 - i
			}
			if x.c.Related.Hidden > 0 {
				if it := l.itemOf(x.c, kind, l.items[kind].id(n)); it.hidden {
					continue
				}
			}
			w.separate()
			w.item(kind, l.items[kind].id(n), chosen)
		}
	} else {
		for i := range max(high-low, 0) {
			n := low + i
			if pg.down {
				n = high - 1 - i
			}
			id := l.items[kind].id(n)
			if !allMeet(rest, id) || x.c.Related.Hidden > 0 && l.itemOf(x.c, kind, id).hidden {
				continue
			}
			if total >= pg.start && total < pg.start+pg.limit {
				w.separate()
				w.item(kind, id, chosen)
			}
			total++
		}
	}
	c.out = append(w.b, "]}"...)
	c.turned(pg, total)
	return nil
}

// itemGet implements crm.item.get: one item.
func (c *call) itemGet() *apiError {
	for _, name := range []string{"id", "entityTypeId"} {
		if c.args.param(name).kind == kindNone {
			return errMissing(name)
		}
	}
	x := c.x
	kind, ok := typeNumber(c.args.param("entityTypeId").int())
	if !ok {
		return errNoType
	}
	id := c.args.param("id").int()
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	if n, exact := x.p.data.items[kind].rank(id); !exact || n >= x.p.data.itemCount(kind) {
		return errNoItem
	}
	w := x.writer(append(c.out, `{"item":`...))
	w.item(kind, id, nil)
	c.out = append(w.b, '}')
	return nil
}

// item writes an item with a few of the fields that items have.
func (w *writer) item(kind int, id int64, chosen []string) {
	w.about = uint64(id)<<8 | uint64(kind)<<1 | spelledByList
	w.b = append(w.b, '{')
	if wants(chosen, "id") {
		w.id("id", id)
	}
	it := w.l.itemOf(w.c, kind, id)
	if wants(chosen, "title") {
		w.badRow(id)
		w.word("title", it.Title, string(appendString(nil, it.Title)))
	}
	if wants(chosen, "assignedById") {
		w.id("assignedById", it.AssignedByID)
	}
	if wants(chosen, "currencyId") {
		w.word("currencyId", it.Currency, `"`+it.Currency+`"`)
	}
	if wants(chosen, "opportunity") {
		amount, _ := ParseSum(it.Amount)
		w.money("opportunity", amount)
	}
	w.ownItem(&it, chosen)
	if wants(chosen, "entityTypeId") {
		w.id("entityTypeId", itemTypes[kind].id)
	}
	w.b = append(w.b, '}')
}

// typeList implements crm.type.list: the smart processes.
func (c *call) typeList() *apiError {
	if c.x.c.Server.TypesForAdmins && c.x.c.Rights.NotAdmin {
		return errDeniedCode
	}
	w := c.x.writer(append(c.out, `{"types":[`...))
	total := int64(0)
	for i, t := range itemTypes {
		if !t.custom {
			continue
		}
		total++
		w.about = uint64(i)<<1 | spelledByList
		w.separate()
		w.b = append(w.b, '{')
		w.id("id", int64(20+i))
		w.word("title", t.title, string(appendString(nil, t.title)))
		w.fixed("code", `""`)
		w.id("createdBy", 1)
		w.id("entityTypeId", t.id)
		w.optional("customSectionId", 0)
		w.flag("isClientEnabled", true)
		w.flag("isLinkWithProductsEnabled", t.payments)
		w.flag("isPaymentsEnabled", t.payments)
		w.date("createdTime", w.l.until-span)
		w.b = append(w.b, '}')
	}
	c.out = append(w.b, "]}"...)
	if start := c.args.param("start"); start.int() != -1 {
		c.total = total
	}
	return nil
}

// itemConditions are the conditions of a crm.item.list.
func (c *call) itemConditions() (list []condition, wrong *apiError) {
	list = c.x.c.conditions(c.args.param("filter"), itemFields, func(what string) {
		wrong = errArgument("Invalid filter: " + what)
	})
	return list, wrong
}
