package bitrixtest

// refusal returns the error with which a get refuses a payment that lists show, or nil.
func (c *config) refusal(id, order int64) *apiError {
	if c.Refuse > 0 && c.refuse.hit(uint64(id), c.Refuse) || c.denied(order) {
		if c.Server.OneRefusal {
			return errNotFound
		}
		// Both spellings of the refusal occur on servers.
		if c.refuse.roll(uint64(id)^1<<63)&1 == 0 {
			return errDenied
		}
		return errDeniedCode
	}
	return nil
}

// denied reports whether the user may not read an order.
func (c *config) denied(order int64) bool {
	return c.Rights.Deny > 0 && c.deny.hit(uint64(order), c.Rights.Deny)
}

// paymentGet implements crm.item.payment.get.
func (c *call) paymentGet() *apiError {
	param := c.args.param("id")
	if param.kind == kindNone {
		return errMissing("id")
	}
	id, x := param.int(), c.x
	x.p.mu.RLock()
	r, ok := x.p.data.get(id)
	x.p.mu.RUnlock()
	if !ok {
		return errNotFound
	}
	if !x.p.gets.ask(id) && !x.c.AllowRegets {
		x.p.rules.broken(x, "payment %d was fetched again: an answer with it was delivered whole", id)
	}
	x.settled = append(x.settled, id)
	if err := x.c.refusal(id, r.order); err != nil {
		return err
	}
	w := x.writer(c.out)
	w.nine(&r)
	c.out = w.b
	return nil
}

// paymentList implements crm.item.payment.list: all the payments of one item.
func (c *call) paymentList() *apiError {
	for _, name := range []string{"entityId", "entityTypeId"} {
		if c.args.param(name).kind == kindNone {
			return errMissing(name)
		}
	}
	x := c.x
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	l := x.p.data
	kind, known := typeNumber(c.args.param("entityTypeId").int())
	id := c.args.param("entityId").int()
	if n, exact := int64(0), false; known {
		if n, exact = l.items[kind].rank(id); !exact || n >= l.itemCount(kind) {
			known = false
		}
	}
	if !known {
		return errDenied
	}
	if x.c.Server.OtherTypesEmpty && itemTypes[kind].custom {
		c.out = append(c.out, "[]"...)
		return nil
	}
	orders := l.ordersOf(nil, kind, id)
	var rows []row
	for _, order := range orders {
		if x.c.denied(order) {
			return errDenied
		}
		rows = l.ofOrder(rows, order)
	}
	conditions := x.c.conditions(c.args.param("filter"), paymentFields, c.ignored)
	pg := c.page(paymentFields)
	pg.limit, pg.start = int64(len(rows)), 0
	sortRows(rows)
	w := x.writer(append(c.out, '['))
	l.pickPayments(rows, conditions, pg, func(r *row) {
		w.separate()
		w.nine(r)
	})
	c.out = append(w.b, ']')
	return nil
}

// separate writes a comma before each element of a list except the first.
func (p *pen) separate() {
	if p.b[len(p.b)-1] != '[' {
		p.b = append(p.b, ',')
	}
}

// salePaymentList implements sale.payment.list: all payments of the portal, by pages.
func (c *call) salePaymentList() *apiError {
	x := c.x
	if x.c.Rights.NotAdmin {
		return errSaleAccess
	}
	fields := selected(c.args.param("select"), func(name string) {
		c.ignored("the selected field \"" + name + "\", which a payment does not have")
	})
	conditions := x.c.conditions(c.args.param("filter"), paymentFields, c.ignored)
	pg := c.page(paymentFields)
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	w := x.writer(append(c.out, `{"payments":[`...))
	_, _, named := oneOf(conditions, payID)
	total := x.p.data.findPayments(conditions, pg, &x.p.counts, func(r *row) {
		if !named && x.c.Server.hides(r.id) {
			return
		}
		w.separate()
		w.listed(r, fields)
	})
	c.out = append(w.b, "]}"...)
	c.turned(pg, total)
	return nil
}

// ignored reports what the portal silently ignores in a call.
func (c *call) ignored(what string) {
	c.x.p.rules.broken(c.x, "%s: the portal ignores %s", methods[c.method].name, what)
}
