package main

import (
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// picture is a drawing that is scaled to the page's width. view is its size in its own
// units, and name describes it to people who cannot see it.
func picture(class, view, name string, parts ...g.Node) g.Node {
	return h.SVG(g.If(class != "", h.Class(class)), g.Attr("viewBox", "0 0 "+view), g.Attr("preserveAspectRatio", "none"),
		h.Role("img"), h.Aria("label", name), newline, g.Group(parts), newline)
}

// plainNumber returns a number of the drawing's units, or of percent. It has no exponent.
func plainNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func polyline(class, points string) g.Node {
	return g.El("polyline", h.Class(class), g.Attr("points", points))
}

// endsText is a line of two texts, at the left edge and at the right one.
func endsText(left, right string) g.Node {
	return h.P(h.Class("ends dim"), h.Span(g.Text(left)), h.Span(g.Text(right)))
}

// colourKey is the legend of a colour of the style sheet.
func colourKey(colour, name string) g.Node {
	return h.Span(h.Class("key"), h.Style("--c:var(--"+colour+")"), g.Text(name))
}

func (r *report) paceSection() g.Node {
	if len(r.Plots) == 0 {
		return nil
	}
	return g.Group{
		h.H2(g.Text("Pace against the limits")), newline,
		h.P(colourKey("update", "this run"), colourKey("delete", "the portal's limit")), newline,
		g.Map(r.Plots, func(p reportPlot) g.Node {
			return p.node("plot", "over time", "0", r.PaceEnd)
		}),
	}
}

// node returns the plot. axis names what goes from left to right.
func (p *reportPlot) node(class, axis, left, right string) g.Node {
	return g.Group{
		h.H3(g.Text(p.Title)), newline,
		endsText(p.Top, p.Above), newline,
		picture(class, "600 100", p.Title+", "+axis,
			polyline("line", p.Line),
			g.If(p.Limit != "", polyline("limit", p.Limit))), newline,
		endsText(left, right), newline,
	}
}

func (r *report) daysSection() g.Node {
	what, unit := "Payments", r.Unit
	if r.Manifest.Previous != "" {
		what = "Changes"
	}
	if unit == "" {
		unit = "day"
	}
	title := h.H2(g.Text(what + " by " + unit + " of the bill"))
	if len(r.Days) == 0 {
		return g.Group{title, newline, h.P(g.Text("Nothing has changed."))}
	}
	legend := dimText("The first snapshot: every payment is new.")
	if r.Manifest.Previous != "" {
		legend = h.P(colourKey("insert", "new"), colourKey("update", "changed"), colourKey("delete", "gone"))
	}
	t := pageTable{headings: []string{unit, "new", "changed", "gone"}}
	for i := range r.Days {
		d := &r.Days[i]
		t.add(d.Day, grouped(d.Insert), grouped(d.Update), grouped(d.Delete))
	}
	return g.Group{
		title, newline, legend, newline,
		g.Iff(len(r.Bars) > 0, func() g.Node {
			return g.Group{
				picture("", "600 130", "by "+unit+" of the bill", g.Map(r.Bars, reportBar.node)), newline,
				endsText(r.FirstDay, r.LastDay), newline,
			}
		}),
		h.Details(h.Summary(g.Text("as a table")), newline, t.node()), newline,
		dimText("Days begin and end in the time zone " + r.Zone + "."),
	}
}

func (b reportBar) node() g.Node {
	return g.El("rect", h.Class(b.Class),
		g.Attr("x", plainNumber(b.X)), g.Attr("y", plainNumber(b.Y)), g.Attr("width", plainNumber(b.W)), g.Attr("height", plainNumber(b.H)),
		h.TitleEl(g.Text(b.Title)))
}
