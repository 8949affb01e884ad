package main

import (
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"b24export/pipeline"
)

// pageTable is a table of the page. Each row has as many texts as there are headings.
type pageTable struct {
	headings []string
	// many reports whether a narrow page shows each row as a list of headings and texts.
	many bool
	// prose is the heading of the column with long texts, which may be wrapped.
	prose string
	rows  [][]string
}

func (t *pageTable) add(row ...string) { t.rows = append(t.rows, row) }

func (t *pageTable) node() g.Node {
	headings := g.Map(t.headings, func(name string) g.Node { return h.Th(g.Text(name)) })
	rows := g.Map(t.rows, func(row []string) g.Node {
		cells := make(g.Group, len(row))
		for i, text := range row {
			name := t.headings[i]
			cells[i] = h.Td(g.If(name == t.prose, h.Class("text")), g.If(t.many, h.Data("l", name)), g.Text(text))
		}
		return g.Group{h.Tr(cells), newline}
	})
	return g.Group{h.Div(h.Class("wide"), h.Table(g.If(t.many, h.Class("many")), newline, h.Tr(headings), newline, rows)), newline}
}

// pageTotals is a table of totals. Its first column has the texts of what, unless what is
// empty.
func pageTotals(what string, totals []reportTotal) *pageTable {
	t := &pageTable{many: true, headings: []string{"currency", "payments", "sum", "paid", "paid sum"}}
	if what != "" {
		t.headings = append([]string{what}, t.headings...)
	}
	for i := range totals {
		o := &totals[i]
		row := []string{o.Currency, grouped(o.Payments), o.Sum, grouped(o.Paid), o.PaidSum}
		if what != "" {
			row = append([]string{o.What}, row...)
		}
		t.add(row...)
	}
	return t
}

// pageCounts is a table of names and the number of payments that each has.
func pageCounts(what string, counts []reportCount) *pageTable {
	t := &pageTable{headings: []string{what, "payments"}}
	for _, c := range counts {
		t.add(c.Name, grouped(c.Count))
	}
	return t
}

// changesSection has what is known about the changes besides their days.
func (r *report) changesSection() g.Node {
	return g.Group{
		g.Iff(len(r.ByStatus) > 0, func() g.Node {
			return g.Group{h.H2(g.Text("Changed rows by currency and status")), newline, pageTotals("what", r.ByStatus).node()}
		}),
		g.Iff(len(r.Columns) > 0, func() g.Node {
			return g.Group{h.H2(g.Text("Columns that changed")), newline, pageCounts("column", r.Columns).node()}
		}),
	}
}

func (r *report) totalsSection() g.Node {
	unpaid := h.P(g.Text("Nothing is unpaid."))
	if len(r.Unpaid) > 0 {
		t := pageTable{many: true, headings: []string{"age", "currency", "payments", "sum"}}
		for i := range r.Unpaid {
			o := &r.Unpaid[i]
			t.add(o.What, o.Currency, grouped(o.Payments), o.Sum)
		}
		unpaid = t.node()
	}
	return g.Group{
		h.H2(g.Text("Totals by currency")), newline,
		pageTotals("", r.Totals).node(),
		g.Iff(len(r.Systems) > 0, func() g.Node {
			return g.Group{
				h.H2(g.Text("Totals by payment system")), newline,
				pageTotals("payment system", r.Systems).node(),
				moreText(r.MoreSystems, " payment systems"), newline,
			}
		}),
		h.H2(g.Text("Unpaid, by age of the bill")), newline,
		unpaid,
	}
}

func (r *report) rejectsSection() g.Node {
	title := h.H2(g.Text("Rejects"))
	if len(r.Rejects) == 0 {
		return g.Group{title, newline, h.P(g.Text("None."))}
	}
	codes := pageCounts("stage, code", r.RejectCodes)
	codes.prose = codes.headings[0]
	t := pageTable{many: true, headings: []string{"payment", "stage", "code", "the portal said"}, prose: "the portal said"}
	for i := range r.Rejects {
		o := &r.Rejects[i]
		t.add(strconv.FormatInt(int64(o.ID), 10), o.Stage, o.Code, o.Description)
	}
	return g.Group{title, newline, codes.node(), t.node(), moreText(r.MoreRejects, "")}
}

func (r *report) snapshotsSection() g.Node {
	t := pageTable{many: true, headings: []string{
		"snapshot", "mode", "payments", "new", "changed", "gone", "rejected", "requests", "took",
	}}
	for _, m := range r.Snapshots {
		t.add(string(m.Snapshot), string(m.Mode), grouped(m.Ledger.Rows()), grouped(m.Changes.Insert), grouped(m.Changes.Update),
			grouped(m.Changes.Delete), grouped(m.Ledger.Rejected), grouped(m.PortalUse.Requests), tookText(m))
	}
	return g.Group{
		h.H2(g.Text("The last " + strconv.Itoa(len(r.Snapshots)) + " snapshots")), newline,
		g.Map(r.Trends, func(p reportPlot) g.Node {
			return p.node("trend", "by snapshot", "0 · "+r.TrendFrom, r.TrendTo)
		}),
		t.node(),
		g.If(r.Older > 0, dimText("and "+grouped(r.Older)+" older ones")),
	}
}

func tookText(m *pipeline.Manifest) string { return shortTime(m.FinishedAt.Sub(m.StartedAt)) }
