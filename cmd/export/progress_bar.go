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

// bars are one progress bar a portal on standard error. update and close belong
// to one goroutine at a time.
type bars struct {
	screen   *screen
	writer   progress.Writer
	rendered chan struct{} // closed when Render has returned
	trackers map[string]*progress.Tracker
}

// startBars begins to draw. From the first update until close, what is written
// to the screen goes above the bars.
func startBars(s *screen, plain bool) *bars {
	b := &bars{
		screen:   s,
		writer:   progress.NewWriter(),
		rendered: make(chan struct{}),
		trackers: make(map[string]*progress.Tracker),
	}
	style := progress.StyleBlocks
	style.Options.PercentFormat = "%3.0f%%"
	style.Options.PercentIndeterminate = "    "
	style.Options.Separator = "  "
	style.Visibility = progress.StyleVisibility{Percentage: true, Tracker: true}
	if !plain {
		style.Colors.Tracker = text.Colors{text.FgCyan}
	}
	w := b.writer
	w.SetStyle(style)
	w.SetOutputWriter(s.w)
	w.SetTerminalWidth(s.width())
	w.SetTrackerLength(24)
	w.SetUpdateFrequency(barEvery)
	// It draws, and ends with close.
	go func() {
		defer close(b.rendered)
		w.Render()
	}()
	return b
}

// above prints lines above the bars at their next drawing. There must be a bar.
func (b *bars) above(lines string) {
	for line := range strings.Lines(lines) {
		b.writer.Log("%s", strings.TrimRight(line, "\n"))
	}
}

// update shows a view. A tracker is never marked as done: the library would
// then take its bar away.
func (b *bars) update(v view) {
	t := b.trackers[v.Portal]
	if t == nil {
		t = &progress.Tracker{Message: v.Portal, AutoStopDisabled: true}
		b.trackers[v.Portal] = t
		b.writer.AppendTracker(t)
		b.screen.setAbove(b.above)
	}
	t.UpdateMessage(v.Portal + "  " + v.text())
	t.UpdateTotal(v.Total)
	t.SetValue(min(v.Done, v.Total))
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
