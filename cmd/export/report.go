package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/schemas/totals"
	"b24export/sinks"
)

// The maximum number of items that a page lists. It counts all of them.
const (
	reportRejects   = 50
	reportSnapshots = 30
)

// report is the data of the page.
type report struct {
	Manifest *pipeline.Manifest
	// Title is the snapshot's name for people. When is its time in Zone, the portal's
	// time zone.
	Title, When, Zone string
	// Snapshots are the newest retained snapshots, newest first; Older is the number of
	// the others. Trends are plots of their rows, changes and minutes.
	Snapshots                              []*pipeline.Manifest
	Older                                  int
	Trends                                 []reportPlot
	TrendFrom, TrendTo                     string
	Took, Ledger, PaymentsASecond          string
	RequestsASecond, AllowedASecond, Limit string
	Received                               string
	Waits                                  []reportWait
	// Plots show the time of fetching, which took PaceEnd. There are none if it was
	// short.
	Plots   []reportPlot
	PaceEnd string
	// Days are the columns of the chart, newest first. Each stands for a Unit.
	Unit                 string
	Days                 []reportDay
	Bars                 []reportBar
	FirstDay, LastDay    string
	ByStatus             []reportTotal
	Columns, RejectCodes []reportCount
	Totals, Systems      []reportTotal
	Unpaid               []reportTotal
	MoreSystems          int
	Rejects              []pipeline.Reject
	MoreRejects          int64

	zone *time.Location
}

// reportWait is a limit, and the share of the run's time that waited for it.
type reportWait struct {
	Name, Text string
	Percent    float64
}

type reportTotal struct {
	What, Currency string
	totals.Total
}

type reportCount struct {
	Name  string
	Count int64
}

// newReport reads the data of a snapshot: its table, its changes and its rejects, each
// once, as a stream.
func newReport(ctx context.Context, data *dataset, m *pipeline.Manifest) (*report, error) {
	r := &report{Manifest: m, Ledger: ledgerText(m.Ledger), Received: byteSize(m.PortalUse.BytesReceived)}
	r.zone, r.Zone = reportZone(m.TimeZone)
	at := m.Snapshot.Time().In(r.zone)
	r.Title = fmt.Sprintf("%s: %s on %s", m.Portal, m.Dataset, at.Format("2 January 2006"))
	r.When = at.Format("2 January 2006, 15:04")
	took := m.FinishedAt.Sub(m.StartedAt)
	r.Took = shortTime(took)
	if s := took.Seconds(); s > 0 {
		r.PaymentsASecond = plotNumber(float64(m.Ledger.Listed) / s)
		r.RequestsASecond = plotNumber(float64(m.PortalUse.Requests) / s)
		for _, w := range []struct {
			name string
			s    float64
		}{{"rate limit", m.PortalUse.RateWaitS}, {"operating budget", m.PortalUse.OperatingWaitS}} {
			if w.s > 0 {
				share := min(1, w.s/s)
				r.Waits = append(r.Waits, reportWait{w.name, fmt.Sprintf("%.0f %%", 100*share), 100 * share})
			}
		}
	}
	var err error
	if r.Snapshots, err = data.Snapshots(ctx); err != nil {
		return nil, err
	}
	r.drawTrends()
	if err := r.readChanges(ctx, data); err != nil {
		return nil, err
	}
	if err := r.readTable(ctx, data); err != nil {
		return nil, err
	}
	r.drawPace()
	r.Totals = totalsOf("", m.Totals)
	return r, r.readRejects(ctx, data)
}

// limitBy records what the portal allows: in the time of the run, and in the unit of
// what the run used.
func (r *report) limitBy(l bitrix.Limits) {
	took := r.Manifest.FinishedAt.Sub(r.Manifest.StartedAt).Seconds()
	if l.Rate <= 0 || took <= 0 {
		return
	}
	rate, burst := l.Rate*l.Share, float64(l.Burst)*l.Share
	r.AllowedASecond = plotNumber(rate + burst/took)
	r.Limit = fmt.Sprintf("a burst of %s, then %s a second", plotNumber(burst), plotNumber(rate))
}

// ops are the kinds of changes, by their names in the change feed and on the page.
var ops = []struct{ op, what string }{{sinks.OpInsert, "new"}, {sinks.OpUpdate, "changed"}, {sinks.OpDelete, "gone"}}

func (r *report) readChanges(ctx context.Context, data *dataset) error {
	days := reportDays{zone: r.zone}
	columns := map[string]int64{}
	byOp := map[string]*schemas.Totals{}
	for c, err := range data.ReadChanges(ctx, r.Manifest) {
		if err != nil {
			return err
		}
		day := days.at(c.Payment.DateBill)
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
		if byOp[c.Op] == nil {
			byOp[c.Op] = new(schemas.Totals)
		}
		byOp[c.Op].Add(&c.Payment)
	}
	r.Unit, r.Days = days.columns()
	r.Bars = drawColumns(r.Days)
	for _, d := range r.Days {
		if !d.start.IsZero() {
			r.FirstDay, r.LastDay = cmp.Or(r.FirstDay, d.Day), d.Day
		}
	}
	slices.Reverse(r.Days)
	r.Columns = counts(columns)
	if r.Manifest.Previous == "" {
		return nil // all rows are new: the totals of the table have them
	}
	for _, o := range ops {
		if t := byOp[o.op]; t != nil {
			r.ByStatus = append(r.ByStatus, totalsOf(o.what, t.ByCurrency())...)
		}
	}
	return nil
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

// counts sorts by count, the highest first.
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

func totalsOf(what string, by map[string]totals.Total) []reportTotal {
	var list []reportTotal
	for _, currency := range slices.Sorted(maps.Keys(by)) {
		t := by[currency]
		t.Sum, t.PaidSum = groupDigits(t.Sum), groupDigits(t.PaidSum)
		name := printable(currency)
		if name == "" {
			name = "(none)"
		}
		list = append(list, reportTotal{what, name, t})
	}
	return list
}
