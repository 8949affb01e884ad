package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// How much a page shows one by one. All is counted.
const (
	reportDays    = 60
	reportRejects = 50
)

// report is what the page is made of.
type report struct {
	Manifest *pipeline.Manifest
	// Snapshots are those that are kept, newest first.
	Snapshots                                            []*pipeline.Manifest
	Took, Ledger, PaymentsASecond, RequestsASecond, Rate string
	Received                                             string
	Waits                                                []reportWait
	// Plots show the time of fetching, which took PaceEnd; none if it was short.
	Plots                []reportPlot
	PaceEnd              string
	Days                 []reportDay
	Bars                 []reportBar
	FirstDay, LastDay    string
	OlderDays            int
	ByStatus             []reportTotal
	Columns, RejectCodes []reportCount
	Totals               []reportTotal
	Rejects              []pipeline.Reject
	MoreRejects          int64
}

// reportWait is a limit, and the share of the run that waited for it.
type reportWait struct {
	Name, Text string
	Percent    float64
}

type reportDay struct {
	Day                    string
	Insert, Update, Delete int64
}

func (d *reportDay) sum() int64 { return d.Insert + d.Update + d.Delete }

// reportBar is a part of a day's column, in the picture's units.
type reportBar struct {
	Class, Title string
	X, Y, W, H   float64
}

type reportTotal struct {
	What, Currency string
	pipeline.Total
}

type reportCount struct {
	Name  string
	Count int64
}

// newReport reads what a snapshot has: its changes and rejects once, in a stream.
func newReport(ctx context.Context, data *dataset, m *pipeline.Manifest) (*report, error) {
	r := &report{Manifest: m, Ledger: ledgerText(m.Ledger), Received: byteSize(m.PortalUse.BytesReceived)}
	took := m.FinishedAt.Sub(m.StartedAt)
	r.Took = shortTime(took)
	if s := took.Seconds(); s > 0 {
		r.PaymentsASecond = fmt.Sprintf("%.4g", float64(m.Ledger.Listed)/s)
		r.RequestsASecond = fmt.Sprintf("%.3g", float64(m.PortalUse.Requests)/s)
		for _, w := range []struct {
			name string
			s    float64
		}{{"rate limit", m.PortalUse.RateWaitS}, {"operating budget", m.PortalUse.OperatingWaitS}} {
			share := min(1, w.s/s)
			r.Waits = append(r.Waits, reportWait{w.name, fmt.Sprintf("%.0f %%", 100*share), 100 * share})
		}
	}
	var err error
	if r.Snapshots, err = data.Snapshots(ctx); err != nil {
		return nil, err
	}
	if err := r.readChanges(ctx, data); err != nil {
		return nil, err
	}
	r.drawPace()
	r.Totals = totalsOf("", m.Totals)
	return r, r.readRejects(ctx, data)
}

// limitBy notes what the portal allows.
func (r *report) limitBy(l bitrix.Limits) {
	if l.Rate > 0 {
		r.Rate = fmt.Sprintf("%.3g, after a burst of %.0f", l.Rate*l.Share, float64(l.Burst)*l.Share)
	}
}

// ops are the kinds of changes, by their names in the change feed and on the page.
var ops = []struct{ op, what string }{{sinks.OpInsert, "new"}, {sinks.OpUpdate, "changed"}, {sinks.OpDelete, "gone"}}

func (r *report) readChanges(ctx context.Context, data *dataset) error {
	days := map[string]*reportDay{}
	columns := map[string]int64{}
	totals := map[string]*schemas.Totals{}
	for c, err := range data.ReadChanges(ctx, r.Manifest) {
		if err != nil {
			return err
		}
		name := "without a bill"
		if bill := c.Payment.DateBill; bill.Valid {
			name = bill.V.Time().UTC().Format("2006-01-02")
		}
		day := days[name]
		if day == nil {
			day = &reportDay{Day: name}
			days[name] = day
		}
		switch c.Op {
		case sinks.OpInsert:
			day.Insert++
		case sinks.OpUpdate:
			day.Update++
		default:
			day.Delete++
		}
		for _, column := range c.Changed {
			columns[column]++
		}
		if totals[c.Op] == nil {
			totals[c.Op] = new(schemas.Totals)
		}
		totals[c.Op].Add(&c.Payment)
	}
	all := slices.SortedFunc(maps.Values(days), func(a, b *reportDay) int { return strings.Compare(b.Day, a.Day) })
	for i, day := range all {
		if i == reportDays {
			r.OlderDays = len(all) - i
			break
		}
		r.Days = append(r.Days, *day)
	}
	r.draw()
	r.Columns = counts(columns)
	for _, o := range ops {
		if t := totals[o.op]; t != nil {
			by := map[string]pipeline.Total{}
			for currency, c := range t.ByCurrency() {
				by[currency] = pipeline.Total{Payments: c.Payments, Sum: c.Sum, Paid: c.Paid, PaidSum: c.PaidSum}
			}
			r.ByStatus = append(r.ByStatus, totalsOf(o.what, by)...)
		}
	}
	return nil
}

// draw makes a column of each day that has a date, the oldest at the left.
func (r *report) draw() {
	var dated []reportDay
	for _, day := range slices.Backward(r.Days) {
		if strings.Count(day.Day, "-") == 2 {
			dated = append(dated, day)
		}
	}
	if len(dated) == 0 {
		return
	}
	const width, height = 600.0, 130.0
	highest := slices.MaxFunc(dated, func(a, b reportDay) int { return cmp.Compare(a.sum(), b.sum()) })
	most := highest.sum()
	r.FirstDay, r.LastDay = dated[0].Day, dated[len(dated)-1].Day
	step := width / float64(len(dated))
	for i, day := range dated {
		y := height
		for k, n := range []int64{day.Insert, day.Update, day.Delete} {
			if n == 0 {
				continue
			}
			h := height * float64(n) / float64(most)
			y -= h
			r.Bars = append(r.Bars, reportBar{
				Class: ops[k].op, Title: fmt.Sprintf("%s: %s %s", day.Day, grouped(n), ops[k].what),
				X: float64(i) * step, Y: y, W: max(1, step*0.85), H: h,
			})
		}
	}
}

func (r *report) readRejects(ctx context.Context, data *dataset) error {
	codes := map[string]int64{}
	for reject, err := range data.ReadRejects(ctx, r.Manifest) {
		if err != nil {
			return err
		}
		codes[strings.TrimSpace(reject.Stage+" "+printable(reject.Code))]++
		if len(r.Rejects) < reportRejects {
			reject.Code, reject.Description = printable(reject.Code), printable(reject.Description)
			r.Rejects = append(r.Rejects, *reject)
		} else {
			r.MoreRejects++
		}
	}
	r.RejectCodes = counts(codes)
	return nil
}

// counts sorts by how often, most first.
func counts(of map[string]int64) []reportCount {
	var list []reportCount
	for name, n := range of {
		list = append(list, reportCount{name, n})
	}
	slices.SortFunc(list, func(a, b reportCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	return list
}

func totalsOf(what string, totals map[string]pipeline.Total) []reportTotal {
	var list []reportTotal
	for _, currency := range slices.Sorted(maps.Keys(totals)) {
		t := totals[currency]
		t.Sum, t.PaidSum = groupDigits(t.Sum), groupDigits(t.PaidSum)
		name := printable(currency)
		if name == "" {
			name = "(none)"
		}
		list = append(list, reportTotal{what, name, t})
	}
	return list
}
