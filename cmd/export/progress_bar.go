package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// barEvery is the time between two updates of the bars. It is short enough for a smooth
// display.
const barEvery = 200 * time.Millisecond

// bars draws progress bars: one for all portals together, if there are several, and one
// for each portal under way. The line of a portal whose run has ended stays on the
// screen once, above the bars. It is not safe for concurrent use.
type bars struct {
	screen *screen
	plain  bool            // no colours
	ended  map[string]bool // portals whose last line has been written
}

func newBars(s *screen, plain bool) *bars {
	return &bars{screen: s, plain: plain, ended: make(map[string]bool)}
}

// draw replaces the bars on the screen.
func (b *bars) draw(f fleet, views []view) {
	width := b.screen.width()
	var above strings.Builder
	var lines []string
	if f.Portals > 1 {
		lines = append(lines, b.line(width, f.share(), f.text(), f.text()))
	}
	for i := range views {
		v := &views[i]
		line := b.line(width, v.share(), v.Portal+"  "+v.text(), v.shortText())
		switch {
		case !v.over():
			lines = append(lines, line)
		case !b.ended[v.Portal]:
			b.ended[v.Portal] = true
			above.WriteString(line + "\n")
		}
	}
	b.screen.setBottom(above.String(), lines)
}

// close leaves the bars as they are, and the cursor below them.
func (b *bars) close() { b.screen.endBottom() }

// A terminal of narrowBar columns has space for the text only, one of wideBar for a
// long bar.
const (
	narrowBar = 60
	wideBar   = 100
)

// line returns one bar: percentage, bar and text, cut to the width of a terminal. A
// width of 0 means any width. share is from 0 to 1, negative if it is not known. On a
// narrow terminal the line has no bar, and the short text.
func (b *bars) line(width int, share float64, long, short string) string {
	percent := "    "
	if share >= 0 {
		percent = fmt.Sprintf("%3.0f%%", 100*min(1, share))
	}
	if width > 0 && width < narrowBar {
		return cutTo(percent+" "+short, width)
	}
	cells := 24
	if width > 0 && width < wideBar {
		cells = 12
	}
	full := int(max(0, min(1, share)) * float64(cells))
	bar := strings.Repeat("█", full) + strings.Repeat("░", cells-full)
	rest := cutTo(percent+" ║"+bar+"║  "+long, width)
	if b.plain {
		return rest
	}
	return strings.Replace(rest, bar, text.FgCyan.Sprint(bar), 1)
}

// cutTo cuts a line to less than the width of a terminal, because some terminals begin
// a new line after the last column and others do not.
func cutTo(line string, width int) string {
	if width <= 0 {
		return line
	}
	return text.Trim(line, max(1, width-1))
}

// share returns the part of the work that is done, from 0 to 1. It is negative if it is
// not known.
func (v *view) share() float64 {
	switch {
	case v.over() && !v.failed():
		return 1
	case v.Total <= 0:
		return -1
	}
	return float64(v.Done) / float64(v.Total)
}

// share returns the part of the work that is done, from 0 to 1.
func (f *fleet) share() float64 { return f.Done / float64(max(1, f.Portals)) }
