package source

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/schemas"
)

// TestItemsInAnyOrder lists the payments of owners that come in any order of types and
// ids, and of owners that come twice. They equal the rows of sorted owners.
func TestItemsInAnyOrder(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 900})
	access, err := bitrix.ParseWebhook(portal.Webhook("https://acme.bitrix24.com"))
	if err != nil {
		t.Fatal(err)
	}
	client := bitrix.New(access, &bitrix.Options{Transport: portal.RoundTripper()})
	defer client.Close()
	owners := map[owner]bool{}
	for p := range portal.All() {
		if p.OwnerID != 0 {
			owners[owner{p.OwnerTypeID, p.OwnerID}] = true
		}
	}
	var byType, byID []owner
	for o := range owners {
		byType, byID = append(byType, o), append(byID, o)
	}
	slices.SortFunc(byType, compareOwners)
	slices.SortFunc(byID, func(a, b owner) int { return int(a.id - b.id) })
	rows := func(items []owner) (rows []schemas.Payment) {
		l := &listItems{client: client, log: slog.New(slog.DiscardHandler), ordersToo: true, items: owned(items...)}
		for page, err := range l.list(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page {
				item.Row.ExtractedAt = schemas.Null[schemas.Instant]{}
				rows = append(rows, item.Row)
			}
		}
		return rows
	}
	want := rows(byType)
	if len(want) < 700 || byType[0].typeID == byType[len(byType)-1].typeID {
		t.Fatalf("%d payments of %d owners: too few for this test", len(want), len(byType))
	}
	for name, items := range map[string][]owner{"by id": byID, "twice": append(byID, byType...)} {
		if d := cmp.Diff(want, rows(items)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// owned returns an items function that yields these owners.
func owned(items ...owner) func(context.Context) iter.Seq2[owner, error] {
	return func(context.Context) iter.Seq2[owner, error] {
		return func(yield func(owner, error) bool) {
			for _, o := range items {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// TestOrdersBesideTheirPayments: where the orders of an owner and its payments are not in
// one request, they are answered in any order. An order that appears in between is not
// overlooked.
func TestOrdersBesideTheirPayments(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 200})
	access, err := bitrix.ParseWebhook(portal.Webhook("https://acme.bitrix24.com"))
	if err != nil {
		t.Fatal(err)
	}
	orders := map[owner]map[int64]bool{}
	var item owner // one with a single order
	for p := range portal.All() {
		o := owner{p.OwnerTypeID, p.OwnerID}
		if orders[o] == nil {
			orders[o] = map[int64]bool{}
		}
		orders[o][p.OrderID] = true
	}
	for o, of := range orders {
		if o.id != 0 && len(of) == 1 {
			item = o
		}
	}
	var answered atomic.Int64
	before := make(chan struct{}) // closed when the orders were listed before and after
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/crm.item.payment.list") {
			<-before
			p, _ := portal.Truth(portal.Add(0))
			portal.Rebind(p.OrderID, item.typeID, item.id)
		}
		resp, err := portal.RoundTripper().RoundTrip(r)
		if strings.HasSuffix(r.URL.Path, "/crm.orderentity.list") && answered.Add(1) == 2 {
			close(before)
		}
		return resp, err
	})
	client := bitrix.New(access, &bitrix.Options{Transport: transport, BatchNever: true})
	defer client.Close()
	l := &listItems{client: client, log: slog.New(slog.DiscardHandler), ordersToo: true, items: owned(item)}
	n := 0
	for page, err := range l.list(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range page {
			p, _ := portal.Truth(int64(listed.ID))
			if order := listed.Row.OrderID; order.Valid && order.V != p.OrderID {
				t.Errorf("payment %d has the order %d, want %d or none", listed.ID, order.V, p.OrderID)
			}
			n++
		}
	}
	if n < 2 {
		t.Errorf("%d payments, want the new one too", n)
	}
}

func compareOwners(a, b owner) int {
	if a.less(b) {
		return -1
	}
	return 1
}
