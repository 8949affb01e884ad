package source

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	// spillBytes of records are sorted in memory and written as one run. That
	// is about 100,000 payments.
	spillBytes = 32 << 20
	// spillRuns is how many runs may stand beside one another. One more, and
	// they are merged into one: so many files are open at most.
	spillRuns = 64
)

// spillKey is what records are sorted by: three whole numbers that are not
// negative, the first one first.
type spillKey [3]int64

func (k spillKey) compare(other spillKey) int {
	return cmp.Or(cmp.Compare(k[0], other[0]), cmp.Compare(k[1], other[1]), cmp.Compare(k[2], other[2]))
}

// spilled is a record of a spill. Its value is valid until the next one.
type spilled struct {
	key   spillKey
	value []byte
}

// spill sorts more records than fit in memory, by way of a folder of its own
// among the system's temporary files. Whoever made it calls close, which removes
// the folder. It is for one goroutine at a time.
type spill struct {
	dir   string // "": not made yet
	limit int    // default spillBytes
	open  []byte // records that are in no run yet
	place []spillPlace
	runs  []string
	made  int // runs so far; makes their names
	count int64
}

// spillPlace is where a record stands in the open bytes.
type spillPlace struct {
	key      spillKey
	from, to int
}

// add takes a copy of a record.
func (s *spill) add(key spillKey, value []byte) error {
	from := len(s.open)
	s.open = append(s.open, value...)
	s.place = append(s.place, spillPlace{key, from, len(s.open)})
	s.count++
	limit := cmp.Or(s.limit, spillBytes)
	// A place takes about as much memory as a small value.
	if len(s.open)+40*len(s.place) < limit {
		return nil
	}
	return s.flush()
}

// flush writes the open records as a run.
func (s *spill) flush() error {
	s.sort()
	if err := s.write(s.inMemory()); err != nil {
		return err
	}
	s.open, s.place = s.open[:0], s.place[:0]
	if len(s.runs) < spillRuns {
		return nil
	}
	old := s.runs
	s.runs = nil
	if err := s.write(merged(old, nil)); err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("sort a listing in a temporary folder: %w", err)
		}
	}
	return nil
}

func (s *spill) sort() {
	slices.SortFunc(s.place, func(a, b spillPlace) int { return a.key.compare(b.key) })
}

// write makes a run of records that ascend.
func (s *spill) write(records iter.Seq2[spilled, error]) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sort a listing in a temporary folder: %w", err)
		}
	}()
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "b24export-listing-"); err != nil {
			return err
		}
	}
	name := filepath.Join(s.dir, strconv.Itoa(s.made))
	s.made++
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(f, 64<<10)
	var head []byte
	for rec, err := range records {
		if err != nil {
			return err
		}
		head = head[:0]
		for _, n := range rec.key {
			head = binary.AppendUvarint(head, uint64(n))
		}
		head = binary.AppendUvarint(head, uint64(len(rec.value)))
		if _, err := out.Write(head); err != nil {
			return err
		}
		if _, err := out.Write(rec.value); err != nil {
			return err
		}
	}
	s.runs = append(s.runs, name)
	return out.Flush()
}

// sorted yields all records by key. Records of equal keys stand side by side, in
// no certain order. Nothing may be added any more.
func (s *spill) sorted() iter.Seq2[spilled, error] {
	s.sort()
	return merged(s.runs, s.inMemory())
}

func (s *spill) inMemory() iter.Seq2[spilled, error] {
	return func(yield func(spilled, error) bool) {
		for _, p := range s.place {
			if !yield(spilled{p.key, s.open[p.from:p.to]}, nil) {
				return
			}
		}
	}
}

// close removes what the spill has written.
func (s *spill) close() error {
	if s.dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove a temporary folder: %w", err)
	}
	s.dir = ""
	return nil
}

// merged yields the records of runs, and of those in memory, if any, by key.
func merged(runs []string, memory iter.Seq2[spilled, error]) iter.Seq2[spilled, error] {
	return func(yield func(spilled, error) bool) {
		var h spillHeap
		start := func(records iter.Seq2[spilled, error]) bool {
			next, stop := iter.Pull2(records)
			src := &spillSource{next: next, stop: stop}
			h = append(h, src)
			return src.advance()
		}
		defer func() {
			for _, src := range h {
				src.stop()
			}
		}()
		for _, name := range runs {
			start(readRun(name))
		}
		if memory != nil {
			start(memory)
		}
		h = slices.DeleteFunc(h, func(src *spillSource) bool { return src.ended })
		heap.Init(&h)
		for len(h) > 0 {
			src := h[0]
			if src.err != nil {
				yield(spilled{}, fmt.Errorf("sort a listing in a temporary folder: %w", src.err))
				return
			}
			if !yield(src.rec, nil) {
				return
			}
			if src.advance() {
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
	}
}

// readRun yields a run's records.
func readRun(name string) iter.Seq2[spilled, error] {
	return func(yield func(spilled, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(spilled{}, err)
			return
		}
		defer f.Close()
		in := bufio.NewReaderSize(f, 64<<10)
		var value []byte
		for {
			var head [4]uint64
			for i := range head {
				head[i], err = binary.ReadUvarint(in)
				if i == 0 && errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					yield(spilled{}, fmt.Errorf("%s: %w", name, err))
					return
				}
			}
			value = slices.Grow(value[:0], int(head[3]))[:head[3]]
			if _, err := io.ReadFull(in, value); err != nil {
				yield(spilled{}, fmt.Errorf("%s: %w", name, err))
				return
			}
			if !yield(spilled{spillKey{int64(head[0]), int64(head[1]), int64(head[2])}, value}, nil) {
				return
			}
		}
	}
}

// spillSource is a run that is being read.
type spillSource struct {
	next  func() (spilled, error, bool)
	stop  func()
	rec   spilled
	err   error
	ended bool
}

// advance reports whether there is another record, or an error.
func (s *spillSource) advance() bool {
	rec, err, ok := s.next()
	s.rec, s.err, s.ended = rec, err, !ok
	if !ok {
		s.stop()
	}
	return ok
}

// spillHeap has the run with the least key first; errors come before all.
type spillHeap []*spillSource

func (h spillHeap) Len() int { return len(h) }

func (h spillHeap) Less(i, j int) bool {
	if h[i].err != nil || h[j].err != nil {
		return h[i].err != nil
	}
	if c := h[i].rec.key.compare(h[j].rec.key); c != 0 {
		return c < 0
	}
	return bytes.Compare(h[i].rec.value, h[j].rec.value) < 0
}

func (h spillHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface; a merge only ever takes away.
func (h *spillHeap) Push(x any) { *h = append(*h, x.(*spillSource)) }

func (h *spillHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
