package source

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/schemas"
)

// A page belongs to the run: each listing is the same whether its pages are kept until
// its end, or cleared before it continues.
func TestPagesBelongToTheRun(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 6, Payments: 7000, AllowRegets: true, Strict: t})
	access, err := bitrix.ParseWebhook(portal.Webhook("https://acme.bitrix24.com"))
	if err != nil {
		t.Fatal(err)
	}
	client := bitrix.New(access, &bitrix.Options{Transport: portal.RoundTripper()})
	defer client.Close()
	var ids []int64
	var lines []byte
	for p := range portal.All() {
		ids = append(ids, p.ID, p.ID+1) // many of the latter do not exist
		lines = fmt.Appendln(fmt.Appendln(lines, p.ID), p.ID+1)
	}
	file := filepath.Join(t.TempDir(), "ids")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	ids = slices.Compact(ids)

	night := time.Date(2026, 11, 29, 2, 0, 0, 0, time.UTC)
	// Orders were saved in six years. Those of the last are listed with their payments.
	lastYear := &pipeline.Manifest{SchemaVersion: schemas.Version, Since: &pipeline.Since{Watermark: mark(markOrders, night.AddDate(-1, 0, 0))}}
	source := func(t *testing.T, spec *jobfile.Spec, refused Refusals) *Source {
		j := job{spec: spec, client: client, log: slog.New(slog.DiscardHandler), rowMaker: rowMaker{
			now: func() time.Time { return night }, zone: new(timeZone), casting: new(castFilters),
		}}
		part, err := partOf(t.Context(), &j)
		if err != nil {
			t.Fatal(err)
		}
		found, err := j.find(part, refused)
		if err != nil {
			t.Fatal(err)
		}
		s := found.Source()
		if _, err := s.Begin(t.Context(), pipeline.Scope{Mode: spec.Mode, Last: lastYear}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	year := func(n int) jobfile.Date { return jobfile.Date{Year: n, Month: time.January, Day: 1} }
	for _, tt := range []struct {
		name    string
		spec    jobfile.Spec
		refused Refusals
		events  bool
		least   int // payments that exist
	}{
		{name: "sale", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListSale}}, least: 7000},
		{name: "a range of ids", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListIDs, IDs: jobfile.IDsSpec{From: 100, To: 8000}}}, least: 5000},
		{name: "a file of ids", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListIDs, IDs: jobfile.IDsSpec{File: file}}}, least: 7000},
		{name: "ids alone", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListIDs, IDs: jobfile.IDsSpec{File: file}}}, refused: Refusals{Payments: &bitrix.Error{}}, least: 7000},
		{name: "items", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListItems}}, least: 5000},
		{name: "bindings", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListBindings}}, least: 5000},
		{name: "orders", spec: jobfile.Spec{Mode: pipeline.Incremental, Source: jobfile.SourceSpec{List: jobfile.ListSale, Since: jobfile.SinceOrders}}, least: 7000},
		{name: "events", spec: jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListSale}}, events: true, least: 7000},
		{name: "days", spec: jobfile.Spec{Mode: pipeline.Backfill, Source: jobfile.SourceSpec{List: jobfile.ListSale}, Backfill: jobfile.BackfillSpec{Billed: jobfile.DateRange{From: year(2023), To: year(2025)}}}, least: 1500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Mode = cmp.Or(tt.spec.Mode, pipeline.Full)
			list := func(clears bool) (items []listed) {
				s := source(t, &tt.spec, tt.refused)
				if tt.events {
					s.find = *(&listEvents{listSale: s.find.sale, ids: ids}).finder()
				}
				var pages [][]listed
				for page, err := range s.List(t.Context(), 0) {
					if err != nil {
						t.Fatal(err)
					}
					if !clears {
						pages = append(pages, page)
						continue
					}
					pages = append(pages, slices.Clone(page))
					clear(page)
				}
				if len(pages) < 3 {
					t.Errorf("%d pages; want several", len(pages))
				}
				return slices.Concat(pages...)
			}
			want, there, unread := list(false), 0, 0
			for i := range want {
				if !want[i].Missing {
					there++
				}
				if want[i].Unread {
					unread++
				}
			}
			if there < tt.least || (unread > 0) != (tt.spec.Mode == pipeline.Incremental) || unread == there {
				t.Errorf("%d payments, %d of them without values: this is another listing", there, unread)
			}
			if cleared := list(true); !slices.Equal(want, cleared) {
				t.Errorf("%d payments with pages that are kept, %d with pages that are cleared, or others", len(want), len(cleared))
			}
		})
	}
}
