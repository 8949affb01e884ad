package main

import (
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/text"
)

// barEvery is how often bars are brought up to date: often enough to look
// alive.
const barEvery = 200 * time.Millisecond

// bars are progress bars on standard error, one for each portal under way, so
// that their number stays that of the portals done at a time. update and close
// belong to one goroutine at a time.
type bars struct {
	screen   *screen
	writer   progress.Writer
	rendered chan struct{}     // closed when Render has returned
	total    *progress.Tracker // of all portals; nil until there are several
	length   int               // of what is drawn before a bar's text
	all      []*bar
	// of has each portal's bar; nil once it has become another portal's.
	of map[string]*bar
}

// bar is one line.
type bar struct {
	*progress.Tracker
	portal string
	text   string
	done   bool
}

// startBars begins to draw. From the first update until close, what is written
// to the screen goes above the bars.
func startBars(s *screen, plain bool) *bars {
	b := &bars{
		screen:   s,
		writer:   progress.NewWriter(),
		rendered: make(chan struct{}),
		of:       make(map[string]*bar),
	}
	// A narrow terminal is for the text.
	length := 24
	if width := s.width(); width > 0 && width < 100 {
		length = 12
	}
	b.length = len("100% ") + length + len(separator)
	style := progress.StyleBlocks
	style.Options.PercentFormat = "%3.0f%%"
	style.Options.PercentIndeterminate = "    "
	style.Options.Separator = separator
	style.Visibility = progress.StyleVisibility{Percentage: true, Tracker: true}
	if !plain {
		style.Colors.Tracker = text.Colors{text.FgCyan}
	}
	w := b.writer
	w.SetStyle(style)
	w.SetOutputWriter(s.w)
	w.SetTrackerLength(length)
	w.SetUpdateFrequency(barEvery)
	// It draws, and ends with close.
	go func() {
		defer close(b.rendered)
		w.Render()
	}()
	return b
}

// separator stands between a bar and its text.
const separator = "  "

// fit cuts a bar's text to what the terminal has room for now: a line that wraps
// would be drawn over again in the wrong place.
func (b *bars) fit(line string) string {
	if width := b.screen.width(); width > 0 {
		return text.Trim(line, max(1, width-b.length-1))
	}
	return line
}

// updateTotal shows all portals together, above their bars.
func (b *bars) updateTotal(f fleet) {
	if b.total == nil {
		b.total = &progress.Tracker{AutoStopDisabled: true}
		b.writer.AppendTracker(b.total)
		b.screen.setAbove(b.above)
	}
	const parts = 1000 // of a portal
	b.total.UpdateMessage(b.fit(f.text()))
	b.total.UpdateTotal(int64(f.Portals) * parts)
	b.total.SetValue(int64(f.Done * parts))
}

// above prints lines above the bars at their next drawing. There must be a bar.
func (b *bars) above(lines string) {
	for line := range strings.Lines(lines) {
		b.writer.Log("%s", strings.TrimRight(line, "\n"))
	}
}

// update shows a view.
func (b *bars) update(v view) {
	line, seen := b.of[v.Portal]
	switch {
	case !seen:
		line = b.take()
		line.portal = v.Portal
		b.of[v.Portal] = line
	case line == nil:
		return
	}
	line.text = v.Portal + "  " + v.text()
	line.done = v.over()
	line.UpdateMessage(b.fit(line.text))
	total := v.Total
	if v.over() {
		total = max(total, 1) // one of unknown length would go on moving
	}
	line.UpdateTotal(total)
	line.SetValue(min(v.Done, total))
}

// take gives the bar of a portal that is done, which then scrolls away above the
// bars, or else a new one. A tracker is never marked as done: the library would
// stop to draw it, and might lose a line that is to go above it.
func (b *bars) take() *bar {
	for _, line := range b.all {
		if line.done {
			b.writer.Log("%s", line.text)
			b.of[line.portal] = nil
			return line
		}
	}
	line := &bar{Tracker: &progress.Tracker{AutoStopDisabled: true}}
	b.all = append(b.all, line)
	b.writer.AppendTracker(line.Tracker)
	b.screen.setAbove(b.above)
	return line
}

// close draws once more and gives the screen back.
func (b *bars) close() {
	b.screen.giveBack(func() {
		retry := time.NewTicker(barEvery / 10)
		defer retry.Stop()
		for {
			b.writer.Stop() // does nothing until Render has begun
			select {
			case <-b.rendered:
				return
			case <-retry.C:
			}
		}
	})
}
