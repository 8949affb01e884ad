package bitrixtest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Events that the portal knows.
const (
	eventSaved   = "ONPAYMENTENTITYSAVED"
	eventDeleted = "ONPAYMENTDELETED"
)

// events are the bound handlers and the queue of offline events. The portal's lock
// guards them.
type events struct {
	handlers []handler
	queue    []event
	lastID   int64
	packets  int64 // process ids assigned
}

type handler struct {
	event   string
	url     string
	offline bool
}

// event is one queued event. While it has a process, no other get returns it.
type event struct {
	id      int64
	name    string
	payment int64
	order   int64
	at      int64
	process string
}

var eventFields = []field{
	{"ID", intField},
	{"TIMESTAMP_X", timeField},
	{"EVENT_NAME", textField},
	{"MESSAGE_ID", textField},
	{"PROCESS_ID", textField},
}

func (e *event) cell(field int) cell {
	switch field {
	case 0:
		return cell{n: e.id}
	case 1:
		return cell{n: e.at}
	case 2:
		return cell{text: e.name}
	case 3:
		return cell{text: e.message()}
	default:
		return cell{text: e.process}
	}
}

// message returns the same text for events about the same thing.
func (e *event) message() string {
	h := mix(uint64(e.payment)*golden + uint64(len(e.name)))
	return fmt.Sprintf("%016x%016x", h, mix(h))
}

// changed queues the event of a mutation, if a handler is bound. If the queue already
// has an event for the same payment, only its date changes.
func (ev *events) changed(op Op, payment, order, now int64) {
	name := eventSaved
	switch op {
	case OpTouch:
		return
	case OpDelete:
		name = eventDeleted
	case OpPay, OpUnpay, OpReprice, OpAdd, OpReturn:
	}
	if !slices.ContainsFunc(ev.handlers, func(h handler) bool { return h.offline && h.event == name }) {
		return
	}
	for i := range ev.queue {
		if e := &ev.queue[i]; e.payment == payment && e.name == name && e.process == "" {
			e.at = now
			return
		}
	}
	ev.lastID++
	ev.queue = append(ev.queue, event{id: ev.lastID, name: name, payment: payment, order: order, at: now})
}

// handler returns the handler that a call binds or unbinds.
func (c *call) handler() (handler, *apiError) {
	h := handler{
		event:   strings.ToUpper(c.args.param("event").text),
		url:     c.args.param("handler").text,
		offline: c.args.param("event_type").text == "offline",
	}
	switch {
	case h.event != eventSaved && h.event != eventDeleted:
		return h, errEvent
	case h.offline && c.x.c.Rights.NotAdmin, c.x.c.Values.NoBind:
		return h, errAdminOnly
	case !h.offline && h.url == "":
		return h, errMissing("handler")
	}
	return h, nil
}

// eventBind implements event.bind.
func (c *call) eventBind() *apiError {
	h, err := c.handler()
	if err != nil {
		return err
	}
	c.x.p.mu.Lock()
	defer c.x.p.mu.Unlock()
	ev := &c.x.p.events
	if !slices.Contains(ev.handlers, h) {
		ev.handlers = append(ev.handlers, h)
	}
	c.out = append(c.out, "true"...)
	return nil
}

// eventUnbind implements event.unbind.
func (c *call) eventUnbind() *apiError {
	h, err := c.handler()
	if err != nil {
		return err
	}
	c.x.p.mu.Lock()
	defer c.x.p.mu.Unlock()
	ev := &c.x.p.events
	before := len(ev.handlers)
	ev.handlers = slices.DeleteFunc(ev.handlers, func(other handler) bool { return other == h })
	c.out = append(c.out, `{"count":`...)
	c.out = append(strconv.AppendInt(c.out, int64(before-len(ev.handlers)), 10), '}')
	return nil
}

// eventGet implements event.get.
func (c *call) eventGet() *apiError {
	c.x.p.mu.RLock()
	defer c.x.p.mu.RUnlock()
	c.out = append(c.out, '[')
	for i, h := range c.x.p.events.handlers {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, `{"event":`...)
		c.out = appendString(c.out, h.event)
		if h.offline {
			c.out = append(c.out, `,"connector_id":"","offline":1}`...)
			continue
		}
		c.out = append(c.out, `,"handler":`...)
		c.out = appendString(c.out, h.url)
		c.out = append(c.out, `,"auth_type":"0","offline":0}`...)
	}
	c.out = append(c.out, ']')
	return nil
}

// matching returns the positions in the queue of the events that match a filter.
func (c *call) matching(keep func(*event) bool) []int {
	conditions := c.x.c.conditions(c.args.param("filter"), eventFields, c.ignored)
	var places []int
	queue := c.x.p.events.queue
	for i := range queue {
		ok := keep(&queue[i])
		for j := range conditions {
			ok = ok && conditions[j].meets(queue[i].cell(conditions[j].field))
		}
		if ok {
			places = append(places, i)
		}
	}
	return places
}

// eventOfflineGet implements event.offline.get. With clear=0 the events stay, reserved
// under a process id, until they are cleared. Called with such an id, it returns the
// events that are reserved under it again.
func (c *call) eventOfflineGet() *apiError {
	if c.x.c.Rights.NotAdmin {
		return errAdminOnly
	}
	limit := pageSize
	if v := c.args.param("limit"); v.int() > 0 {
		limit = int(v.int())
	}
	if c.x.c.Values.NoOfflineFeature && c.args.param("clear").text == "0" {
		return errLicense
	}
	p := c.x.p
	p.mu.Lock()
	defer p.mu.Unlock()
	ev := &p.events
	process := c.args.param("process_id").text
	places := c.matching(func(e *event) bool { return e.process == process })
	slices.SortStableFunc(places, func(i, j int) int { return cmp.Compare(ev.queue[i].at, ev.queue[j].at) })
	places = places[:min(limit, len(places))]
	keep := c.args.param("clear").text == "0" && !c.x.c.Values.QueueClears
	again := process != ""
	if keep && !again {
		ev.packets++
		process = secretText(newDice(c.x.c.Seed, saltToken), uint64(ev.packets)|1<<40, 32)
	}
	c.out = append(c.out, `{"process_id":`...)
	if keep || again {
		c.out = appendString(c.out, process)
	} else {
		c.out = append(c.out, "null"...)
	}
	c.out = append(c.out, `,"events":`...)
	c.events(places, false)
	c.out = append(c.out, '}')
	if c.x.c.Values.QueueUnreserved {
		return nil
	}
	if keep {
		for _, i := range places {
			ev.queue[i].process = process
		}
		return nil
	}
	slices.Sort(places)
	for _, i := range slices.Backward(places) {
		ev.queue = slices.Delete(ev.queue, i, i+1)
	}
	return nil
}

// events writes events of the queue. look adds what event.offline.list shows.
func (c *call) events(places []int, look bool) {
	c.out = append(c.out, '[')
	for n, i := range places {
		e := &c.x.p.events.queue[i]
		if n > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, `{"ID":"`...)
		c.out = strconv.AppendInt(c.out, e.id, 10)
		c.out = append(c.out, `","TIMESTAMP_X":`...)
		c.out = appendTime(c.out, e.at, c.x.c.offsetAt(e.at))
		c.out = append(c.out, `,"EVENT_NAME":"`...)
		c.out = append(c.out, e.name...)
		c.out = append(c.out, `","EVENT_DATA":{"FIELDS":{"ID":`...)
		c.out = strconv.AppendInt(c.out, e.payment, 10)
		if e.name == eventSaved {
			c.out = append(c.out, `,"ORDER_ID":`...)
			c.out = strconv.AppendInt(c.out, e.order, 10)
		}
		c.out = append(c.out, `}},"EVENT_ADDITIONAL":false,"MESSAGE_ID":"`...)
		c.out = append(c.out, e.message()...)
		if look {
			c.out = append(c.out, `","PROCESS_ID":"`...)
			if c.x.c.Values.Queue == QueueShown {
				c.out = append(c.out, e.process...)
			}
			c.out = append(c.out, `","ERROR":"0`...)
		}
		c.out = append(c.out, `"}`...)
	}
	c.out = append(c.out, ']')
}

// eventOfflineClear implements event.offline.clear: it deletes what a process reserved.
func (c *call) eventOfflineClear() *apiError {
	process := c.args.param("process_id").text
	switch {
	case c.x.c.Rights.NotAdmin:
		return errAdminOnly
	case process == "":
		return errMissing("process_id")
	}
	only := c.args.param("id").texts()
	messages := c.args.param("message_id").texts()
	p := c.x.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events.queue = slices.DeleteFunc(p.events.queue, func(e event) bool {
		switch {
		case e.process != process:
			return false
		case len(only) > 0:
			return slices.Contains(only, strconv.FormatInt(e.id, 10))
		case len(messages) > 0:
			return slices.Contains(messages, e.message())
		}
		return true
	})
	c.out = append(c.out, "true"...)
	return nil
}

// eventOfflineList implements event.offline.list: it lists the queue by pages, and
// reserves nothing.
func (c *call) eventOfflineList() *apiError {
	if c.x.c.Rights.NotAdmin {
		return errAdminOnly
	}
	pg := c.page(eventFields)
	c.x.p.mu.RLock()
	defer c.x.p.mu.RUnlock()
	places := c.matching(func(e *event) bool { return e.process == "" || c.x.c.Values.Queue != QueueHidden })
	total := len(places)
	start := min(int(pg.start), total)
	c.events(places[start:min(start+pageSize, total)], true)
	c.turned(pg, int64(total))
	return nil
}

// Queued returns how many offline events the portal has queued, including reserved
// ones.
func (p *Portal) Queued() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.events.queue)
}

// Unbind removes an event's handlers, as an administrator can.
func (p *Portal) Unbind(event string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events.handlers = slices.DeleteFunc(p.events.handlers, func(h handler) bool { return h.event == event })
}
