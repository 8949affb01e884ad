package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"b24export/pipeline"
	"b24export/schemas/totals"
)

// Texts of portals and of people may contain anything. The page of hostile texts has the
// elements and attributes of the page of harmless ones, and a browser reads each text as
// it was.
func TestReportEscapes(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `</style><script>alert(1)</script>`, `</title></svg><img src=x onerror=alert(1)>`,
		`" onmouseover="alert(1)`, `' onmouseover='alert(1)`, `--><!--`, `]]>`, `&lt;b&gt; &amp; &`, `{{.}}`, `url(javascript:alert(1))`,
		`<b`, "two\nlines", `1e+06`, `=cmd|' /C calc'!A0`,
	}
	plain, plainTexts := pageNodes(t, reportOfTexts("harmless"))
	for _, text := range hostile {
		nodes, texts := pageNodes(t, reportOfTexts(text))
		if !slices.Equal(nodes, plain) {
			t.Errorf("%q changes the elements of the page:\n%q\nwant\n%q", text, nodes, plain)
			continue
		}
		for i, got := range texts {
			if want := strings.ReplaceAll(plainTexts[i], "harmless", text); got != want {
				t.Errorf("the page has the text %q, want %q", got, want)
			}
		}
	}
}

// reportOfTexts returns a report with a text in each place that has a text.
func reportOfTexts(text string) *report {
	id := pipeline.SnapshotID(text)
	m := &pipeline.Manifest{
		Snapshot: id, Previous: id, Mode: pipeline.Mode(text), Program: text, Source: text, SourceWhy: text,
		StartedAt: time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC), FinishedAt: time.Date(2026, 11, 22, 2, 1, 0, 0, time.UTC),
	}
	plot := reportPlot{Title: text, Line: text, Limit: text, Top: text, Above: text}
	total := reportTotal{What: text, Currency: text, Total: totals.Total{Sum: text, PaidSum: text}}
	return &report{
		Manifest: m, Title: text, When: text, Zone: text, Took: "1 s", Ledger: text, PaymentsASecond: text,
		RequestsASecond: text, AllowedASecond: text, Limit: text, Received: text,
		Snapshots: []*pipeline.Manifest{{Snapshot: id, Mode: pipeline.Mode(text)}}, Older: 1,
		Trends: []reportPlot{plot}, TrendFrom: text, TrendTo: text,
		Waits: []reportWait{{Name: text, Text: text, Percent: 1e-7}}, Plots: []reportPlot{plot}, PaceEnd: text,
		Unit: text, Days: []reportDay{{Day: text, Insert: 1}}, FirstDay: text, LastDay: text,
		Bars:     []reportBar{{Class: "insert", Title: text, X: 1e-9, Y: 1e21, W: 1, H: 2.5}},
		ByStatus: []reportTotal{total}, Columns: []reportCount{{Name: text}}, RejectCodes: []reportCount{{Name: text}},
		Totals: []reportTotal{total}, Systems: []reportTotal{total}, Unpaid: []reportTotal{total}, MoreSystems: 1,
		Rejects: []pipeline.Reject{{ID: 1, Stage: text, Code: text, Description: text}}, MoreRejects: 1,
	}
}

// pageNodes returns the elements of a report's page with the names of their attributes, and
// the texts of elements and attributes, as a browser reads them.
func pageNodes(t *testing.T, r *report) (nodes, texts []string) {
	t.Helper()
	var page strings.Builder
	if err := r.page().Render(&page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(page.String()))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		switch n.Type {
		case html.TextNode:
			texts = append(texts, n.Data)
		case html.ElementNode:
			node := n.Data
			for _, a := range n.Attr {
				node += " " + a.Key
				texts = append(texts, a.Val)
			}
			nodes = append(nodes, node)
		case html.DoctypeNode:
			nodes = append(nodes, "!"+n.Data)
		case html.ErrorNode, html.DocumentNode, html.CommentNode, html.RawNode:
			nodes = append(nodes, fmt.Sprint(n.Type))
		}
	}
	return nodes, texts
}

// Numbers of styles and drawings have no exponents, which some readers of CSS do not know.
func TestReportNumbers(t *testing.T) {
	_, texts := pageNodes(t, reportOfTexts("harmless"))
	for _, want := range []string{"width: 0.0000001%", "0.000000001", "1000000000000000000000", "2.5"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no text or attribute %q", want)
		}
	}
}
