package bitrix

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// PageSize is how many elements a list method's full page has. A page with
// fewer is the last one.
const PageSize = 50

const (
	// firstChain is how many pages the first request of a listing asks for: the
	// sooner its answer is here, the sooner the first gets can start. 4 pages
	// are enough for four of those, and take a third of a second.
	firstChain = 4
	// chainGrowth is by how much each chain is longer than the one before, up
	// to what fits a request. By then the gets under way outlast the next one.
	chainGrowth = 4
)

// Listing is a list that can be walked by ascending ids.
type Listing struct {
	// Method is a list method that takes order, filter, select and start.
	Method string
	// Items is where in the result the list stands: "payments". "": the result
	// is the list.
	Items string
	// IDField is the field to walk by. Its values must be whole numbers, and
	// unique unless Repeats is set.
	IDField string
	// Repeats says that several elements may have the same id, though never as
	// many as a page. Each page then begins with the last id of the page before:
	// some elements come twice, and the ids of the walk do not ascend strictly.
	Repeats bool
	// MayBeWhole says that the method may answer a start of -1 with all the
	// elements at once, as the page of crm.orderentity.list has it (its source has
	// pages of 50). The walk then begins with one page, to see what comes; has
	// nothing counted, which for this method is as much work as all the rest of the
	// table; and has pages counted where the whole is too much for an answer.
	MayBeWhole bool
	// FullChains asks for full chains from the beginning, where nothing waits for the
	// first page.
	FullChains bool
	// Windows lists several windows of ids at once, where there is much to list.
	Windows bool
	// Garbled lists an element with a text that the portal cannot encode all the same,
	// as its id alone; see Page.Garbled. Else such a text ends the walk. Not with Repeats.
	Garbled bool
	// Params are what else the method needs, beside order, filter, select and
	// start.
	Params Params
	// Select are the fields to ask for; nil: what the method returns by itself.
	Select []string
	// Filter is what else the elements have to match.
	Filter Params
}

// Page is a part of a list, at most one page of the portal's.
type Page struct {
	// Items are the raw elements, and IDs their ids, strictly ascending. Items
	// are parts of the portal's answer, which they keep in memory; they must not
	// be changed.
	Items [][]byte
	IDs   []int64
	// Total is how many elements the portal counts in the whole list behind the
	// id that the listing started from; -1 where it did not count: on all but a
	// listing's first page.
	Total int64
	// At is when the answer was complete.
	At time.Time
	// Garbled are the errors of elements that the portal cannot encode, by id. Such an
	// element in Items has its id alone.
	Garbled map[int64]*Error
}

// params asks for the page behind a cursor, or for the page from it on. Only the
// first page has the portal count, which on a large table costs it more than the
// page.
func (l Listing) params(above string, after any, count bool) Params {
	return l.between(above, after, 0, count)
}

// between is params for ids up to through; 0 is no bound.
func (l Listing) between(above string, after any, through int64, count bool) Params {
	start := int64(-1)
	if count {
		start = 0
	}
	filter := Params{}
	maps.Copy(filter, l.Filter)
	filter[above+l.IDField] = after
	if through > 0 {
		filter["<="+l.IDField] = through
	}
	p := Params{}
	maps.Copy(p, l.Params)
	p["order"], p["filter"], p["start"] = Params{l.IDField: "ASC"}, filter, start
	if len(l.Select) > 0 {
		p["select"] = l.Select
	}
	return p
}

// counting says which pages of a chain the portal counts on.
type counting int

const (
	countNone counting = iota
	countFirst
	countAll
)

// chain makes the commands for n pages behind a cursor. Each page but the first
// starts from the last id of the page before, which the portal fills in. through is the
// highest id to list; 0 is no bound.
func (l Listing) chain(after, through int64, n int, count counting) []Command {
	items, above := "", ">"
	if l.Repeats {
		above = ">="
	}
	if l.Items != "" {
		items = "[" + l.Items + "]"
	}
	cmds := make([]Command, n)
	for i := range cmds {
		var cursor any = after
		if i > 0 {
			cursor = fmt.Sprintf("$result[%s]%s[%d][%s]", chainKey(i-1), items, PageSize-1, l.IDField)
		}
		cmds[i] = Command{Key: chainKey(i), Method: l.Method, Params: l.between(above, cursor, through, count == countAll || count == countFirst && i == 0)}
	}
	return cmds
}

func chainKey(i int) string {
	if i < 10 {
		return "c0" + strconv.Itoa(i)
	}
	return "c" + strconv.Itoa(i)
}

// errStall is why a page cannot be used whose ids do not ascend from the cursor
// that it was asked from.
var errStall = errors.New("the ids do not ascend from the last one")

// links are the pages of a chain that hold, and why there are no more of them.
type links struct {
	pages  []Page
	cursor int64 // the last id that holds
	ended  bool  // the last page was short
	err    error // of the first page that does not hold: nil, *Error, errShape or errStall
}

// cut takes a chain's pages up to where they stop to hold. What follows a short
// page is void, since its cursor did not resolve: it may be an error, or the
// first page once more. What follows a page that itself does not hold is void
// as well.
func (l Listing) cut(results []Result, after int64) links {
	k := links{cursor: after}
	for _, r := range results {
		if r.Err != nil {
			k.err = r.Err
			return k
		}
		p, err := decodePage(r.Value, l.Items, l.IDField)
		if err != nil {
			k.err = err
			return k
		}
		last := k.cursor
		for _, id := range p.ids {
			if id < last || id == last && !l.Repeats {
				k.err = errStall
				return k
			}
			last = id
		}
		if l.Repeats && last == k.cursor && len(p.ids) >= PageSize {
			k.err = errStall // a page of one id: what follows it cannot be asked for
			return k
		}
		k.cursor = last
		if len(p.ids) > 0 {
			k.pages = append(k.pages, Page{Items: p.items, IDs: p.ids, Total: r.Total, At: r.At})
		}
		if len(p.ids) != PageSize {
			// More than a page is all there is, too: such a portal does not
			// page, and the next cursor is not that of the page's last id.
			k.ended = len(p.ids) < PageSize
			return k
		}
	}
	return k
}
