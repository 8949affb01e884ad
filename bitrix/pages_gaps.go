package bitrix

import "errors"

// Windows are as wide as the density of ids says. Where ids have a gap, as behind an import
// with ids of another system, windows are empty, and each of them costs a request. A chain
// finds the other side of any gap in one request. So at a gap a listing changes to a chain,
// and behind it back to windows. A count that is wrong looks like a gap.

const (
	// windowSparse is the share of the expected elements below which a window shows a gap.
	windowSparse = 1.0 / 8
	// windowsWaste is how many requests windows may take beyond full chains, as a share of
	// the full chains that all elements so far would have filled, and windowsSlack how many
	// more. If they took more, a chain lists the next elements. gapsWaste is the share if
	// there are gaps, where windows gain less time.
	windowsWaste, gapsWaste, windowsSlack = 0.3, 0.1, 4
	// windowsUnsure is how many windows are in flight at first if there may be a gap ahead:
	// at a gap their requests are lost. There is one more for each four that are finished.
	windowsUnsure = 2
	// windowsFar is how many windows of the present density must be left at least for a
	// gap, if there are fewer elements left than one window has.
	windowsFar = 8
	// nearPages is how many pages before the cursor show the density there. Up to
	// windowsAlike times more or less than on average is a usual variation.
	nearPages, windowsAlike = 10, 10
)

// dear reports whether the windows took more requests than they may.
func (w *walk) dear() bool {
	share := windowsWaste
	if w.gaps {
		share = gapsWaste
	}
	return w.waste > windowsSlack+share*fullChains(w.listed)
}

// fullChains returns how many full chains some elements fill.
func fullChains(elements int64) float64 { return float64(elements) / (PageSize * MaxCommands) }

// densityOf returns how many elements an id of some pages has, 0 if they do not show it.
func densityOf(pages []Page) float64 {
	n := 0
	for _, p := range pages {
		n += len(p.IDs)
	}
	from, to := pages[0].IDs[0], pages[len(pages)-1].IDs
	if span := to[len(to)-1] - from; span > 0 {
		return min(1, float64(n-1)/float64(span))
	}
	return 0
}

// density returns how many elements an id behind the cursor is expected to have: by the
// count and the highest id, as an average. If that contradicts the last pages by far,
// because there is a gap of ids or the count is wrong, it is the density of those pages,
// and sure is false.
func (w *walk) density() (d float64, sure bool) {
	left, span := float64(w.counted-w.listed), float64(w.last-w.cursor)
	d = left / span
	if w.near > 0 && (left > span || d > windowsAlike*w.near || d < w.near/windowsAlike) {
		return w.near, false
	}
	return min(1, d), true
}

// errGap is returned for a window whose first page is empty. The walk continues as a chain
// in front of it, which is no further request and shows where the next ids are.
var errGap = errors.New("a window has no elements")

// contradicts reports whether err shows that a portal does not list a range of ids as it
// lists all ids after one.
func contradicts(err error) bool {
	return errors.Is(err, errUnbounded) || errors.Is(err, ErrStall) || isCount(err)
}
