package source

import (
	"context"
	"iter"
	"log/slog"
	"slices"
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
		l := &listItems{client: client, log: slog.New(slog.DiscardHandler), ordersToo: true, items: func(context.Context) iter.Seq2[owner, error] {
			return func(yield func(owner, error) bool) {
				for _, o := range items {
					if !yield(o, nil) {
						return
					}
				}
			}
		}}
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

func compareOwners(a, b owner) int {
	if a.less(b) {
		return -1
	}
	return 1
}
