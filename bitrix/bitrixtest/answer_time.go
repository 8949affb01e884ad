package bitrixtest

import (
	"strconv"
	"time"
)

// stamp writes the time objects of one exchange. Calls take the time of their cost one
// after another, whether or not that time really passes.
type stamp struct {
	start    int64 // Unix nanoseconds
	at       int64 // when the next call begins
	offset   int64 // seconds east of Greenwich, now
	counters bool
	zero     bool          // the counter is always 0, without operating_reset_at
	late     time.Duration // of operating_reset_at
	second   int64         // the second for which date was written
	date     []byte
}

func newStamp(now time.Time, c *config) stamp {
	ns := now.UnixNano()
	ns -= ns % 1000 // PHP counts microseconds
	return stamp{start: ns, at: ns, offset: c.offsetAt(now.Unix()), counters: !c.NoCounters, zero: c.ZeroCounters, late: c.Server.ResetLate}
}

// appendCall appends the time object of a call that begins now with that cost. The next
// call begins after it.
func (s *stamp) appendCall(b []byte, cost time.Duration, sp *spending) []byte {
	from := s.at
	s.at += int64(cost)
	return s.append(b, from, s.at, int64(cost), sp)
}

// finish ends an answer that is complete except for its time object.
func (s *stamp) finish(b []byte, cost time.Duration, sp *spending) []byte {
	b = append(b, `,"time":`...)
	b = s.append(b, s.start, max(s.at, s.start+int64(cost)), int64(cost), sp)
	return append(b, '}')
}

func (s *stamp) append(b []byte, from, to, processing int64, sp *spending) []byte {
	b = append(b, `{"start":`...)
	b = appendSeconds(b, from)
	b = append(b, `,"finish":`...)
	b = appendSeconds(b, to)
	b = append(b, `,"duration":`...)
	b = appendSeconds(b, to-from)
	b = append(b, `,"processing":`...)
	b = appendSeconds(b, processing)
	b = append(b, `,"date_start":`...)
	b = s.appendDate(b, from)
	b = append(b, `,"date_finish":`...)
	b = s.appendDate(b, to)
	if s.zero {
		return append(b, `,"operating":0}`...)
	}
	if s.counters && sp != nil {
		b = append(b, `,"operating_reset_at":`...)
		reset := sp.reset.Add(s.late).UnixNano()
		b = strconv.AppendInt(b, (reset+1e9-1)/1e9, 10)
		b = append(b, `,"operating":`...)
		b = appendSeconds(b, int64(sp.used))
	}
	return append(b, '}')
}

func (s *stamp) appendDate(b []byte, ns int64) []byte {
	if second := ns / 1e9; s.date == nil || second != s.second {
		s.second = second
		s.date = appendTime(s.date[:0], second, s.offset)
	}
	return append(b, s.date...)
}
