package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

const (
	// clockPages is how many pages from the portal's whole history are read, besides
	// the oldest and the newest, if those two leave a doubt.
	clockPages = 6
	// clockGets is how many payments of a page are fetched to compare their dates.
	clockGets = 5
)

// dateSample is a payment's datePaid as a list shows it and as it is stored, which is
// what a get prints.
type dateSample struct {
	shown  schemas.Null[schemas.Instant]
	offset int // printed with shown, in seconds east of UTC
	stored printed
}

// measureClock compares the dates that lists and gets show of some payments that are
// paid. zone is the server's zone if the job names it, else nil. It is not used if it
// does not fit the dates. measureClock also returns the gets, so that the run need not
// repeat them.
//
// On most portals one request is enough: the oldest and the newest payments leave no
// doubt that all dates are shown, and all with the same shift. Otherwise measureClock
// reads payments from the portal's whole history.
func measureClock(ctx context.Context, client *bitrix.Client, zone *time.Location) (*listClock, map[pipeline.PaymentID]bitrix.Result, error) {
	p := &clockProbe{client: client, gets: map[pipeline.PaymentID]bitrix.Result{}}
	if err := p.ends(ctx); err != nil {
		return nil, nil, fmt.Errorf("measure the dates of %s: %w", bitrix.MethodPaymentList, err)
	}
	if len(p.samples) == 0 {
		// One answer without paid payments may be wrong, so the portal is asked twice.
		if err := p.ends(ctx); err != nil {
			return nil, nil, fmt.Errorf("measure the dates of %s: %w", bitrix.MethodPaymentList, err)
		}
	}
	c := clockFrom(p.samples)
	if p.more && (c.form != formRight || p.seasons() || doubtful(p.samples)) {
		if err := p.between(ctx); err != nil {
			return nil, nil, fmt.Errorf("measure the dates of %s: %w", bitrix.MethodPaymentList, err)
		}
		c = clockFrom(p.samples)
	}
	if len(p.samples) == 0 {
		var err error
		if c, err = clockOfProfile(ctx, client); err != nil {
			return nil, nil, err
		}
	}
	now := time.Now()
	c.zone = zone
	if seen := p.printed(c.form); zone == nil || !zoneFits(zone.String(), seen) {
		c.zone = zoneFrom(seen, now)
	}
	if c.zone != nil {
		c.twice = twiceHours(c.zone, now)
	}
	for i, d := range p.shown {
		if i == 0 || d.offset < c.early {
			c.early = d.offset
		}
		if i == 0 || d.offset > c.late {
			c.late = d.offset
		}
	}
	return c, p.gets, nil
}

// clockProbe is the state of one measurement.
type clockProbe struct {
	client    *bitrix.Client
	low, high int64 // last id of the oldest page, first id of the newest
	more      bool  // there are payments in between
	samples   []dateSample
	shown     []printed // all dates of the pages
	gets      map[pipeline.PaymentID]bitrix.Result
}

// ends reads the oldest and the newest payments. The gets are in the same request and
// refer to the lists' results. If a portal does not resolve these references, ends
// sends a second request.
func (p *clockProbe) ends(ctx context.Context) error {
	commands := []bitrix.Command{paidPage("first", 0, "asc"), paidPage("last", 0, "desc")}
	for i := range clockGets {
		for _, page := range []string{"first", "last"} {
			at := i * bitrix.PageSize / clockGets
			commands = append(commands, bitrix.Command{Key: page + strconv.Itoa(at), Method: bitrix.MethodItemPaymentGet, Optional: true, Params: bitrix.Params{
				"id": fmt.Sprintf("$result[%s][payments][%d][id]", page, at),
			}})
		}
	}
	results, err := p.client.Batch(ctx, commands)
	if err != nil {
		return err
	}
	first, err := p.page(results[0])
	if err != nil {
		return err
	}
	last, err := p.page(results[1])
	if err != nil {
		return err
	}
	if len(first) == bitrix.PageSize && len(last) > 0 {
		p.low, p.high = first[len(first)-1].id, last[len(last)-1].id
		p.more = p.low < p.high
	}
	rows := map[pipeline.PaymentID]paidRow{}
	for _, row := range slices.Concat(first, last) {
		rows[pipeline.PaymentID(row.id)] = row
	}
	for _, res := range results[2:] {
		_, ids, err := bitrix.ItemsByID(slices.Concat([]byte("["), res.Value, []byte("]")), "", "id")
		if res.Err == nil && err == nil && len(ids) == 1 {
			p.take(rows[pipeline.PaymentID(ids[0])], res)
		}
	}
	if len(p.samples) == 0 {
		return p.get(ctx, spread([][]paidRow{first, last}))
	}
	return nil
}

// between reads payments from the whole time between the oldest and the newest.
func (p *clockProbe) between(ctx context.Context) error {
	commands := make([]bitrix.Command, clockPages)
	for k := range commands {
		after := p.low + (p.high-p.low)/(clockPages+1)*int64(k+1)
		commands[k] = paidPage("m"+strconv.Itoa(k), after, "asc")
	}
	results, err := p.client.Batch(ctx, commands)
	if err != nil {
		return err
	}
	var pages [][]paidRow
	for _, res := range results {
		page, err := p.page(res)
		if err != nil {
			return err
		}
		pages = append(pages, page)
	}
	return p.get(ctx, spread(pages))
}

// get fetches payments that were listed.
func (p *clockProbe) get(ctx context.Context, rows []paidRow) error {
	rows = slices.DeleteFunc(rows, func(row paidRow) bool { _, known := p.gets[pipeline.PaymentID(row.id)]; return known })
	if len(rows) == 0 {
		return nil
	}
	commands := make([]bitrix.Command, len(rows))
	for i, row := range rows {
		commands[i] = GetCommand(pipeline.PaymentID(row.id))
	}
	results, err := p.client.Batch(ctx, commands)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if results[i].Err == nil { // otherwise it was deleted since, or the user may not read it
			p.take(row, results[i])
		}
	}
	return nil
}

// take makes a sample from a listed payment and its get.
func (p *clockProbe) take(row paidRow, res bitrix.Result) {
	id := pipeline.PaymentID(row.id)
	if _, known := p.gets[id]; known || id == 0 {
		return
	}
	p.gets[id] = res
	if at, offset, err := schemas.ReadDate(res.Value, "datePaid"); err == nil && at.Valid {
		p.samples = append(p.samples, dateSample{row.paid, row.offset, printed{at.V, offset}})
	}
}

// seasons reports whether the portal prints its dates with several offsets.
func (p *clockProbe) seasons() bool {
	return slices.ContainsFunc(p.shown, func(d printed) bool { return d.offset != p.shown[0].offset })
}

// printed returns the dates that the portal printed with the offset of their own day.
// If lists swap day and month, only gets print such dates.
func (p *clockProbe) printed(form dateForm) []printed {
	if form != formSwapped {
		return p.shown
	}
	var list []printed
	for _, s := range p.samples {
		list = append(list, s.stored)
	}
	return list
}

// doubtful reports whether the samples would look the same on a portal that shows only
// some dates, or swaps day and month.
func doubtful(samples []dateSample) bool {
	return !slices.ContainsFunc(samples, func(s dateSample) bool {
		day := s.stored.wall().Time().Day()
		return s.shown.Valid && day > 13 && day < 24 // in the user's zone, too
	})
}

// paidPage returns the command for a page of payments that are paid.
func paidPage(key string, after int64, way string) bitrix.Command {
	return PaymentPage(key, []string{"id", "datePaid", "dateBill"}, bitrix.Params{">id": after, "=paid": "Y"}, way, Uncounted)
}

// paidRow is a listed payment with its datePaid.
type paidRow struct {
	id     int64
	paid   schemas.Null[schemas.Instant]
	offset int
}

// page reads a page of payments. It treats a date that cannot be read as missing.
func (p *clockProbe) page(res bitrix.Result) ([]paidRow, error) {
	if res.Err != nil {
		return nil, res.Err
	}
	raws, ids, err := bitrix.ItemsByID(res.Value, paymentItems, "id")
	if err != nil {
		return nil, err
	}
	rows := make([]paidRow, 0, len(raws))
	for i, raw := range raws {
		row := paidRow{id: ids[i]}
		for _, field := range []string{"datePaid", "dateBill"} {
			at, offset, err := schemas.ReadDate(raw, field)
			if err != nil {
				continue
			}
			if at.Valid {
				p.shown = append(p.shown, printed{at.V, offset})
			}
			if field == "datePaid" {
				row.paid, row.offset = at, offset
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// spread selects rows that are spread over each page, without repetition.
func spread(pages [][]paidRow) []paidRow {
	var chosen []paidRow
	for _, page := range pages {
		for i := range clockGets {
			at := i * bitrix.PageSize / clockGets
			if at < len(page) && !slices.ContainsFunc(chosen, func(row paidRow) bool { return row.id == page[at].id }) {
				chosen = append(chosen, page[at])
			}
		}
	}
	return chosen
}

// clockFrom returns the form and the shift that explain most samples.
func clockFrom(samples []dateSample) *listClock {
	best := &listClock{form: formUnknown}
	most := 0
	for _, form := range []dateForm{formRight, formMinutes, formDays, formSwapped, formShort, formNull} {
		for _, shift := range shiftsOf(form, samples) {
			if exact, near := explained(form, shift, samples); exact > most && 10*(exact+near) >= 9*len(samples) {
				best, most = &listClock{form: form, shift: shift}, exact
			}
		}
	}
	best.measured = fmt.Sprintf("%d payments", len(samples))
	return best
}

// maxShift is more than the offsets of two zones can differ by.
const maxShift = 27 * hour

// shiftsOf returns the shifts that explain at least one sample with a form, in
// ascending order of size.
func shiftsOf(form dateForm, samples []dateSample) []schemas.Instant {
	var shifts []schemas.Instant
	switch form {
	case formNull:
		return []schemas.Instant{0}
	case formDays:
		for h := -14 * hour; h <= 14*hour; h += hour {
			shifts = append(shifts, h)
		}
	case formRight, formMinutes, formSwapped, formShort:
		for _, s := range samples {
			if !s.shown.Valid {
				continue
			}
			shown, stored, ok := s.shown.V, s.stored.at, true
			switch form {
			case formSwapped:
				shown, ok = swapDay(shown + schemas.Instant(s.offset)*second)
				stored = s.stored.wall()
			case formMinutes:
				stored = floor(stored, minute)
			case formRight, formDays, formShort, formNull, formUnknown:
			}
			if shift := shown - stored; ok && -maxShift <= shift && shift <= maxShift && !slices.Contains(shifts, shift) {
				shifts = append(shifts, shift)
			}
		}
	case formUnknown:
	}
	slices.SortFunc(shifts, func(a, b schemas.Instant) int {
		return cmp.Or(cmp.Compare(max(a, -a), max(b, -b)), cmp.Compare(a, b))
	})
	return shifts
}

// explained returns how many samples a form and a shift explain. near counts the
// samples that differ from that by whole hours, as in the hours around a change to or
// from summer time.
func explained(form dateForm, shift schemas.Instant, samples []dateSample) (exact, near int) {
	for _, s := range samples {
		want, shown := showAs(form, s.stored.wall()+shift)
		off := s.shown.V + schemas.Instant(s.offset)*second - want
		if form == formRight || form == formMinutes || form == formShort {
			// These are instants, because a portal may print them with any offset.
			off = s.shown.V - (want - schemas.Instant(s.stored.offset)*second)
		}
		switch {
		case shown != s.shown.Valid:
		case !shown || off == 0:
			exact++
		case off == hour || off == -hour:
			near++
		}
	}
	return exact, near
}

// showAs returns the wall clock time that a list of a form shows. shown is false if the
// list shows null.
func showAs(form dateForm, wall schemas.Instant) (at schemas.Instant, shown bool) {
	switch form {
	case formRight, formUnknown:
		return wall, true
	case formMinutes:
		return floor(wall, minute), true
	case formDays:
		return floor(wall, day), true
	case formSwapped:
		return swapDay(wall)
	case formShort:
		return wall, wall.Time().Day() >= 25
	case formNull:
	}
	return 0, false
}

func floor(at, unit schemas.Instant) schemas.Instant {
	return at - ((at%unit)+unit)%unit
}

// wall returns the wall clock time, as if it were UTC.
func (p printed) wall() schemas.Instant { return p.at + schemas.Instant(p.offset)*second }

// clockOfProfile returns the clock of a portal on which no payment is paid. The user's
// zone comes from the method profile, the server's from the server's time.
func clockOfProfile(ctx context.Context, client *bitrix.Client) (*listClock, error) {
	c := &listClock{measured: "nothing: no payment is paid, and profile has no time zone"}
	now, err := portalTime(ctx, client)
	if err != nil {
		return nil, err
	}
	res, err := client.Call(ctx, bitrix.MethodProfile, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the user's time zone: %w", err)
	}
	if user, ok := userOffset(res.Value, now); ok {
		_, server := now.Zone()
		c.shift = schemas.Instant(user-server) * second
		c.measured = "profile: no payment is paid"
	}
	return c, nil
}

// userOffset returns the offset of the user's time zone in a profile, in seconds east
// of UTC. ok is false if the profile has none, or has another structure.
func userOffset(profile []byte, now time.Time) (seconds int, ok bool) {
	var who struct {
		Zone   string          `json:"TIME_ZONE"`
		Offset json.RawMessage `json:"TIME_ZONE_OFFSET"`
	}
	if json.Unmarshal(profile, &who) != nil {
		return 0, false
	}
	if zone, err := time.LoadLocation(who.Zone); who.Zone != "" && err == nil {
		_, seconds = now.In(zone).Zone()
		return seconds, true
	}
	seconds, err := strconv.Atoi(strings.Trim(string(who.Offset), `"`))
	return seconds, err == nil
}

// ListDates describes how the dates of a list differ from those of gets of the same
// payments. It returns "" if they do not differ, or if no payment is paid. listed are
// elements of the list.
func ListDates(listed [][]byte, gets []bitrix.Result) string {
	shown := make(map[int64][]byte, len(listed))
	for _, raw := range listed {
		if _, ids, err := bitrix.ItemsByID(slices.Concat([]byte("["), raw, []byte("]")), "", "id"); err == nil && len(ids) == 1 {
			shown[ids[0]] = raw
		}
	}
	var samples []dateSample
	for _, res := range gets {
		if res.Err != nil {
			continue
		}
		_, ids, err := bitrix.ItemsByID(slices.Concat([]byte("["), res.Value, []byte("]")), "", "id")
		if err != nil || len(ids) != 1 || shown[ids[0]] == nil {
			continue
		}
		stored, offset, err := schemas.ReadDate(res.Value, "datePaid")
		if err != nil || !stored.Valid {
			continue
		}
		at, listedOffset, err := schemas.ReadDate(shown[ids[0]], "datePaid")
		if err == nil {
			samples = append(samples, dateSample{at, listedOffset, printed{stored.V, offset}})
		}
	}
	if len(samples) == 0 {
		return ""
	}
	c := clockFrom(samples)
	var text []string
	switch {
	case c.shift > 0:
		text = append(text, fmt.Sprintf("dates %v later than they are", time.Duration(c.shift)*time.Microsecond))
	case c.shift < 0:
		text = append(text, fmt.Sprintf("dates %v earlier than they are", time.Duration(-c.shift)*time.Microsecond))
	}
	if words := formWords[c.form]; words != "" {
		text = append(text, words)
	}
	if len(text) == 0 {
		return ""
	}
	return "the list shows " + strings.Join(text, ", ")
}

// formWords describes what a list shows, by its form.
var formWords = map[dateForm]string{
	formMinutes: "no seconds",
	formDays:    "no times of day",
	formSwapped: "day and month swapped, and no days above 12",
	formShort:   "no days below 25",
	formNull:    "no dates",
	formUnknown: "dates that cannot be matched with those of gets",
}
