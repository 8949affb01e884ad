package main

import (
	_ "embed"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// The page is built from nodes of gomponents, not from a template. A template finds the
// methods of its data by name. The linker then keeps every exported method of every type,
// a quarter of the program.

//go:embed report.css
var reportStyle string

// page returns the page. Its nodes escape every text and attribute.
func (r *report) page() g.Node {
	return h.Doctype(h.HTML(h.Lang("en"), newline,
		h.Head(newline,
			h.Meta(h.Charset("utf-8")), newline,
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")), newline,
			h.Meta(g.Attr("http-equiv", "Content-Security-Policy"), h.Content("default-src 'none'; style-src 'unsafe-inline'")), newline,
			h.TitleEl(g.Text(r.Title)), newline,
			h.StyleEl(newline, g.Raw(reportStyle)), newline,
		), newline,
		h.Body(newline,
			r.headSection(), newline,
			r.useSection(), newline,
			r.paceSection(), newline,
			r.daysSection(), newline,
			r.changesSection(), newline,
			r.totalsSection(), newline,
			r.rejectsSection(), newline,
			r.snapshotsSection(), newline,
		), newline,
	))
}

// newline starts a new line in the page's source, where white space does not show.
var newline = g.Raw("\n")

// dimText is a paragraph of small importance.
func dimText(text string) g.Node { return h.P(h.Class("dim"), g.Text(text)) }

// moreText is the paragraph that counts what a table leaves out; nothing if that is none.
func moreText[N int | int64](n N, things string) g.Node {
	return g.Iff(n > 0, func() g.Node { return dimText("and " + grouped(n) + " more" + things) })
}

func (r *report) headSection() g.Node {
	m := r.Manifest
	when := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
	about := "Snapshot " + string(m.Snapshot) + ", of " + r.When + " (" + r.Zone + "): " + string(m.Mode) + " run by " + m.Program +
		", from " + when(m.StartedAt) + " to " + when(m.FinishedAt) + " (UTC)"
	if m.Previous != "" {
		about += "; compared with " + string(m.Previous)
	} else {
		about += "; the first snapshot"
	}
	if m.Source != "" {
		about += "; found by " + m.Source
		if m.SourceWhy != "" {
			about += " (" + m.SourceWhy + ")"
		}
	}
	card := func(value, name string) g.Node {
		return g.Group{h.Div(h.Class("card"), h.B(g.Text(value)), g.Text(name)), newline}
	}
	return g.Group{
		h.H1(g.Text(r.Title)), newline,
		dimText(about), newline,
		h.Div(h.Class("cards"), newline,
			card(grouped(m.Ledger.Rows()), "payments"),
			card(grouped(m.Changes.Insert), "new"),
			card(grouped(m.Changes.Update), "changed"),
			card(grouped(m.Changes.Delete), "gone"),
			card(grouped(m.Ledger.Rejected), "rejected"),
			card(r.Took, "from start to end"),
		), newline,
		h.H2(g.Text("Ledger")), newline,
		h.P(g.Text(r.Ledger + ".")),
	}
}

func (r *report) useSection() g.Node {
	use := &r.Manifest.PortalUse
	t := pageTable{headings: []string{"what", "this run", "allowed"}, rows: [][]string{
		{"payments listed a second", r.PaymentsASecond, ""},
		{"requests a second", r.RequestsASecond, r.AllowedASecond},
		{"requests", grouped(use.Requests), ""},
		{"commands", grouped(use.Commands), ""},
		{"repeated", grouped(use.Retries), ""},
		{"refused for the rate", grouped(use.Refused), ""},
		{"received", r.Received, ""},
		{"waited for the rate limit", shortTime(seconds(use.RateWaitS)), ""},
		{"waited for the operating budget", shortTime(seconds(use.OperatingWaitS)), ""},
		{"resumed", grouped(use.Resumed), ""},
	}}
	return g.Group{
		h.H2(g.Text("Use of the portal")), newline,
		t.node(),
		g.If(r.Limit != "", dimText("Allowed: "+r.Limit+"; over the "+r.Took+" of this run.")),
		g.Map(r.Waits, func(w reportWait) g.Node {
			return g.Group{
				newline, h.P(g.Text(w.Text + " of the time waited for the " + w.Name)),
				newline, h.Div(h.Class("bar"), h.I(h.Style("width: "+plainNumber(w.Percent)+"%"))),
			}
		}),
	}
}
