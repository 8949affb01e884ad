package bitrix

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// PageSize is how many elements a full page of a list method has. A page with fewer is
// the last one.
const PageSize = 50

const (
	// firstChain is how many pages the first request of a listing contains: the sooner
	// its answer arrives, the sooner the first gets can start. 4 pages are enough for
	// four gets, and take a third of a second.
	firstChain = 4
	// chainGrowth is by how many pages each chain is longer than the one before, up to
	// what fits into a request. The gets in flight then take longer than the next
	// chain.
	chainGrowth = 4
)

// Listing is a list that can be walked by ascending ids.
type Listing struct {
	// Method is a list method with the parameters order, filter, select and start.
	Method string
	// Items is the name of the list in the result, such as "payments". "": the result
	// is the list.
	Items string
	// IDField is the field to walk by. Its values must be whole numbers, and unique
	// unless Repeats is set.
	IDField string
	// Repeats means that several elements may have the same id, though fewer than a
	// page. Each page then begins with the last id of the page before: some elements
	// are returned twice, and the ids of the walk do not ascend strictly.
	Repeats bool
	// MayBeWhole means that the method may answer a start of -1 with all the elements
	// at once, as the documentation of crm.orderentity.list says (its source has pages
	// of 50). The walk then starts with one page, to see what is returned. It requests
	// no count, which for this method is as much work as all the rest of the table. If
	// the whole is too much for an answer, it requests pages with a count.
	MayBeWhole bool
	// FullChains requests full chains from the beginning, if nothing waits for the
	// first page.
	FullChains bool
	// Windows lists several windows of ids concurrently, if there is much to list.
	Windows bool
	// Beside, if set, is how long the first chain may take before a full chain is
	// requested beside it. It is for callers with work for each element.
	Beside time.Duration
	// Garbled also lists elements with a text that the portal cannot encode, with their
	// id alone; see Page.Garbled. Otherwise such a text ends the walk. It cannot be
	// combined with Repeats.
	Garbled bool
	// Params are further parameters of the method, besides order, filter, select and
	// start.
	Params Params
	// Select are the fields to request; nil: what the method returns by default.
	Select []string
	// Filter is a further condition on the elements.
	Filter Params

	key string // what the keys of a chain's commands begin with; "": c
}

// Page is a range of a list, at most one page of the portal's.
type Page struct {
	// Items are the raw elements, and IDs their ids, in strictly ascending order. Items
	// are parts of the portal's answer, which they keep in memory. They must not be
	// modified.
	Items [][]byte
	IDs   []int64
	// Total is how many elements the portal counts in the whole list after the id from
	// which the listing started. It is -1 if the portal did not count: on all pages
	// except a listing's first one.
	Total int64
	// At is when the answer was complete.
	At time.Time
	// Garbled are the errors of elements that the portal cannot encode, by id. Such an
	// element in Items has only its id.
	Garbled map[int64]*Error
}

// params returns the parameters for the page after a cursor, or from it on. The portal
// counts only for the first page, because on a large table counting costs more than the
// page.
func (l Listing) params(above string, after any, count bool) Params {
	return l.between(above, after, 0, count)
}

// between is like params, for ids up to through. 0 means no bound.
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

// counting selects the pages of a chain on which the portal counts.
type counting int

const (
	countNone counting = iota
	countFirst
	countAll
)

// chain returns the commands for n pages after a cursor. Each page except the first
// starts from the last id of the page before, which the portal inserts. through is the
// highest id to list; 0 means no bound.
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
			cursor = fmt.Sprintf("$result[%s]%s[%d][%s]", l.chainKey(i-1), items, PageSize-1, l.IDField)
		}
		cmds[i] = Command{Key: l.chainKey(i), Method: l.Method, list: &l,
			Params: l.between(above, cursor, through, count == countAll || count == countFirst && i == 0)}
	}
	return cmds
}

func (l Listing) chainKey(i int) string {
	if l.key != "" {
		return l.key + chainKey(i)[1:]
	}
	return chainKey(i)
}

func chainKey(i int) string {
	if i < 10 {
		return "c0" + strconv.Itoa(i)
	}
	return "c" + strconv.Itoa(i)
}

// ErrStall is returned by a listing if the ids of a page do not ascend from the cursor of its
// request.
var ErrStall = errors.New("the ids do not ascend from the last one")

// links are the valid pages of a chain, and why there are no more of them.
type links struct {
	pages  []Page
	cursor int64 // the last valid id
	total  int64 // the count of the first page, -1 if there is none
	ended  bool  // the last page was short
	err    error // of the first invalid page: nil, *Error, ErrShape or ErrStall
}

// page returns the elements of a result.
func (l Listing) page(r *Result) (wirePage, error) {
	if r.page != nil {
		return *r.page, r.page.err
	}
	return decodePage(r.Value, l.Items, l.IDField)
}

// cut returns a chain's pages up to the first invalid one. What follows a short page is
// meaningless, because its cursor was not resolved: it may be an error, or the first
// page once more. What follows an invalid page is meaningless as well.
func (l Listing) cut(results []Result, after int64) links {
	k := links{cursor: after, total: -1}
	for i, r := range results {
		if i == 0 {
			k.total = r.Total
		}
		if r.Err != nil {
			k.err = r.Err
			return k
		}
		p, err := l.page(&r)
		if err != nil {
			k.err = err
			return k
		}
		last := k.cursor
		for _, id := range p.ids {
			if id < last || id == last && !l.Repeats {
				k.err = ErrStall
				return k
			}
			last = id
		}
		if l.Repeats && last == k.cursor && len(p.ids) >= PageSize {
			k.err = ErrStall // a page of one id: the page after it cannot be requested
			return k
		}
		k.cursor = last
		if len(p.ids) > 0 {
			k.pages = append(k.pages, Page{Items: p.items, IDs: p.ids, Total: r.Total, At: r.At})
		}
		if len(p.ids) != PageSize {
			// More than a page means all elements, too: such a portal has no pages, and
			// the next cursor is not the page's last id.
			k.ended = len(p.ids) < PageSize
			return k
		}
	}
	return k
}
