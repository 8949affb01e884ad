package pipeline

import (
	"slices"
	"testing"
)

// TestChunkSharesPage adds payments to chunks as list does. A chunk uses the page's memory
// only for payments that follow one another, and never changes a payment beside its own.
func TestChunkSharesPage(t *testing.T) {
	for _, test := range []struct {
		name   string
		pages  [][]PaymentID
		block  bool // the pages follow one another in memory
		skip   []PaymentID
		found  PaymentID // is added before the chunk is closed, and is not on a page
		want   []PaymentID
		shared bool
	}{
		{name: "one page", pages: [][]PaymentID{{1, 2, 3, 4, 5}}, want: []PaymentID{1, 2, 3, 4}, shared: true},
		{name: "short page", pages: [][]PaymentID{{1, 2}}, want: []PaymentID{1, 2}, shared: true},
		{name: "begins inside a page", pages: [][]PaymentID{{1, 2, 3, 4}}, skip: []PaymentID{1, 2}, want: []PaymentID{3, 4}, shared: true},
		{name: "a payment between needs no get", pages: [][]PaymentID{{1, 2, 3, 4, 5}}, skip: []PaymentID{3}, want: []PaymentID{1, 2, 4, 5}},
		{name: "two pages", pages: [][]PaymentID{{1, 2, 3}, {4, 5, 6}}, want: []PaymentID{1, 2, 3, 4}},
		{name: "two pages of one block", pages: [][]PaymentID{{1, 2, 3}, {4, 5, 6}}, block: true, want: []PaymentID{1, 2, 3, 4}, shared: true},
		{name: "a payment between pages of one block needs no get", pages: [][]PaymentID{{1, 2, 3}, {4, 5, 6}}, block: true,
			skip: []PaymentID{4}, want: []PaymentID{1, 2, 3, 5}},
		{name: "a payment found by its id", pages: [][]PaymentID{{1, 2, 3, 4}}, skip: []PaymentID{3, 4}, found: 9, want: []PaymentID{1, 2, 9}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := new(lister[row])
			l.Chunk = 4
			var pages [][]Listed[row]
			block := make([]Listed[row], 20)
			for _, ids := range test.pages {
				page := make([]Listed[row], len(ids))
				if test.block {
					page, block = block[:len(ids)], block[len(ids):]
				}
				for i, id := range ids {
					page[i] = Listed[row]{ID: id, Row: row{id: id}}
				}
				pages = append(pages, page)
				for i := range page {
					l.rest = page[i:]
					if len(l.open.get) < l.Chunk && !slices.Contains(test.skip, page[i].ID) {
						l.toGet(&page[i])
					}
				}
			}
			if test.found != 0 {
				l.toGet(&Listed[row]{ID: test.found, Row: row{id: test.found}})
			}
			var got []PaymentID
			for i := range l.open.get {
				got = append(got, l.open.get[i].ID)
			}
			if !slices.Equal(got, test.want) || l.open.shared != test.shared {
				t.Errorf("chunk of %v without %v: got %v, shared %t; want %v, shared %t",
					test.pages, test.skip, got, l.open.shared, test.want, test.shared)
			}
			for p, ids := range test.pages {
				for i, id := range ids {
					if pages[p][i].ID != id || pages[p][i].Row.id != id {
						t.Errorf("page %d: payment %d became %+v", p, id, pages[p][i])
					}
				}
			}
		})
	}
}
