package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"b24export/pipeline"
)

// The size of a plot in the picture's own units. The page scales it.
const (
	plotWidth  = 600.0
	plotHeight = 100.0
)

// reportPlot is a curve over the time of fetching, and the portal's limit.
type reportPlot struct {
	Title string
	// Line and Limit are points in the form of a polyline. Limit is empty without a
	// limit.
	Line, Limit string
	// Top is the value at the upper edge of the picture. Above, if it is not empty,
	// shows how far the curve goes beyond it.
	Top, Above string
}

// drawPace plots the use of both limits of the portal while payments were fetched. A
// curve needs at least two samples.
func (r *report) drawPace() {
	p := r.Manifest.Pace
	n := p.Len()
	if n < 2 || p.At[n-1] <= 0 {
		return
	}
	at := p.At[:n]
	r.PaceEnd = shortTime(seconds(at[n-1]))
	r.Plots = append(r.Plots, plotOf("payments a second", at, perSecond(at, p.Done), nil, 0))
	limit := ""
	if steady := slices.Max(p.Rate[:n]); steady > 0 {
		limit = "; the steady limit is " + plotNumber(steady) + ", after a burst"
	}
	// A burst is many times as high as the rest of the curve. Drawn to its full height,
	// it would make the rest invisible.
	r.Plots = append(r.Plots, plotOf("requests a second"+limit, at, perSecond(at, p.Requests), p.Rate[:n], 2.5))
	if budget := slices.Max(p.Budget[:n]); budget > 0 {
		title := "operating seconds used, of " + plotNumber(budget)
		r.Plots = append(r.Plots, plotOf(title, at, p.Operating[:n], p.Budget[:n], 1.25))
	}
}

// perSecond returns how much a count grew per second between each sample and the
// previous one.
func perSecond(at []float64, count []int64) []float64 {
	rates := make([]float64, len(at))
	then, before := 0.0, int64(0)
	for i := range at {
		if passed := at[i] - then; passed > 0 {
			rates[i] = max(0, float64(count[i]-before)/passed)
		}
		then, before = at[i], count[i]
	}
	return rates
}

// plotOf draws values. Each value is for the time up to its sample. With a limit, the
// height of the picture is times that limit, and a higher curve is cut.
func plotOf(title string, at, values, limits []float64, times float64) reportPlot {
	plot := reportPlot{Title: title}
	peak := slices.Max(values)
	top := peak
	if len(limits) > 0 {
		if highest := slices.Max(limits); highest > 0 {
			top = times * highest
			plot.Limit = steps(at, limits, top)
		}
	}
	if top <= 0 {
		top = 1
	}
	plot.Line = steps(at, values, top)
	plot.Top = plotNumber(top)
	if peak > top {
		plot.Above = "up to " + plotNumber(peak)
	}
	return plot
}

// plotNumber returns a number with about three digits, as people write it: 14,650,
// 42.5, 0.07.
func plotNumber(v float64) string {
	digits := 0
	switch a := math.Abs(v); {
	case a < 1:
		digits = 3
	case a < 10:
		digits = 2
	case a < 100:
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return groupDigits(text)
}

// drawTrends plots the newest snapshots over time: rows, changes, minutes. A single
// snapshot makes no line.
func (r *report) drawTrends() {
	r.Older = max(0, len(r.Snapshots)-reportSnapshots)
	r.Snapshots = r.Snapshots[:len(r.Snapshots)-r.Older]
	n := len(r.Snapshots)
	if n < 2 {
		return
	}
	first, last := r.Snapshots[n-1].Snapshot.Time(), r.Snapshots[0].Snapshot.Time()
	r.TrendFrom, r.TrendTo = first.In(r.zone).Format("2 Jan 2006"), last.In(r.zone).Format("2 Jan 2006")
	for _, trend := range []struct {
		title string
		of    func(*pipeline.Manifest) float64
	}{
		{"payments in the table", func(m *pipeline.Manifest) float64 { return float64(m.Ledger.Rows()) }},
		{"changes", func(m *pipeline.Manifest) float64 { return float64(m.Changes.Sum()) }},
		{"minutes", func(m *pipeline.Manifest) float64 { return m.FinishedAt.Sub(m.StartedAt).Minutes() }},
	} {
		top := 0.0
		for _, m := range r.Snapshots {
			top = max(top, trend.of(m))
		}
		if top == 0 {
			top = 1
		}
		var b strings.Builder
		for _, m := range slices.Backward(r.Snapshots) {
			x := plotWidth * float64(m.Snapshot.Time().Sub(first)) / float64(last.Sub(first))
			fmt.Fprintf(&b, "%.1f,%.1f ", x, plotHeight*(1-trend.of(m)/top))
		}
		newest := trend.of(r.Snapshots[0])
		r.Trends = append(r.Trends, reportPlot{
			Title: trend.title, Line: strings.TrimSpace(b.String()), Top: plotNumber(top), Above: "now " + plotNumber(newest),
		})
	}
}

// steps returns the points of a curve of steps.
func steps(at, values []float64, top float64) string {
	var b strings.Builder
	end := at[len(at)-1]
	x := 0.0
	for i, v := range values {
		y := plotHeight * (1 - math.Min(1, v/top))
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
		x = plotWidth * at[i] / end
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
	}
	return strings.TrimSpace(b.String())
}
