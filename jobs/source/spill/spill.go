// Package spill sorts more records than fit in memory.
//
// The engine needs payments in ascending order of id, and each id once. Most of a
// portal's lists cannot return that: crm.item.payment.list returns the payments of one
// owner, and a list by the time of a change has no order of ids at all. A file of ids is
// in any order. A portal may have ten million payments, so listings are sorted in
// temporary files; at most some 100,000 records stay in memory.
package spill

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
	// runBytes is how many bytes of records are sorted in memory and written as one
	// run. That is about 100,000 payments.
	runBytes = 32 << 20
	// maxRuns is how many runs may exist at once. If there is one more, they are merged
	// into one. It bounds how many files are open.
	maxRuns = 64
)

// Key is the sort key of a record: three whole numbers that are not negative, the most
// significant first.
type Key [3]int64

// Compare compares keys. The first numbers that differ decide.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k[0], other[0]), cmp.Compare(k[1], other[1]), cmp.Compare(k[2], other[2]))
}

// Record is a value with its key. The value is valid until the next record.
type Record struct {
	Key   Key
	Value []byte
}

// Sorter sorts records in a folder of its own among the system's temporary files. The
// zero Sorter is ready for use. The caller must call Close, which removes the folder. A
// Sorter is not safe for concurrent use.
type Sorter struct {
	dir    string // "" until the folder is created
	limit  int    // default runBytes
	open   []byte // records that are in no run yet
	places []place
	runs   []string
	made   int // how many runs were written; used for their names
	count  int64
}

// place is the position of a record in the open bytes.
type place struct {
	key      Key
	from, to int
}

// Add adds a copy of a record.
func (s *Sorter) Add(key Key, value []byte) error {
	from := len(s.open)
	s.open = append(s.open, value...)
	s.places = append(s.places, place{key, from, len(s.open)})
	s.count++
	limit := cmp.Or(s.limit, runBytes)
	// A place needs about as much memory as a small value.
	if len(s.open)+40*len(s.places) < limit {
		return nil
	}
	return s.flush()
}

// Count returns how many records were added.
func (s *Sorter) Count() int64 { return s.count }

// flush writes the open records as a run.
func (s *Sorter) flush() error {
	s.sort()
	if err := s.write(s.inMemory()); err != nil {
		return err
	}
	s.open, s.places = s.open[:0], s.places[:0]
	if len(s.runs) < maxRuns {
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

func (s *Sorter) sort() {
	slices.SortFunc(s.places, func(a, b place) int { return a.key.Compare(b.key) })
}

// write writes a run of records in ascending order.
func (s *Sorter) write(records iter.Seq2[Record, error]) (err error) {
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
		for _, n := range rec.Key {
			head = binary.AppendUvarint(head, uint64(n))
		}
		head = binary.AppendUvarint(head, uint64(len(rec.Value)))
		if _, err := out.Write(head); err != nil {
			return err
		}
		if _, err := out.Write(rec.Value); err != nil {
			return err
		}
	}
	s.runs = append(s.runs, name)
	return out.Flush()
}

// Sorted yields all records by key. The order of records with equal keys is not
// defined. Add must not be called after Sorted.
func (s *Sorter) Sorted() iter.Seq2[Record, error] {
	s.sort()
	return merged(s.runs, s.inMemory())
}

func (s *Sorter) inMemory() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, p := range s.places {
			if !yield(Record{p.key, s.open[p.from:p.to]}, nil) {
				return
			}
		}
	}
}

// Close removes the temporary folder.
func (s *Sorter) Close() error {
	if s.dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove a temporary folder: %w", err)
	}
	s.dir = ""
	return nil
}

// merged yields the records of runs and of memory, if it is not nil, by key.
func merged(runs []string, memory iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var h runHeap
		start := func(records iter.Seq2[Record, error]) {
			next, stop := iter.Pull2(records)
			src := &source{next: next, stop: stop}
			h = append(h, src)
			src.advance()
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
		h = slices.DeleteFunc(h, func(src *source) bool { return src.ended })
		heap.Init(&h)
		for len(h) > 0 {
			src := h[0]
			if src.err != nil {
				yield(Record{}, fmt.Errorf("sort a listing in a temporary folder: %w", src.err))
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

// readRun yields the records of a run.
func readRun(name string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(Record{}, err)
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
					yield(Record{}, fmt.Errorf("%s: %w", name, err))
					return
				}
			}
			value = slices.Grow(value[:0], int(head[3]))[:head[3]]
			if _, err := io.ReadFull(in, value); err != nil {
				yield(Record{}, fmt.Errorf("%s: %w", name, err))
				return
			}
			if !yield(Record{Key{int64(head[0]), int64(head[1]), int64(head[2])}, value}, nil) {
				return
			}
		}
	}
}

// source is a run that is being read.
type source struct {
	next  func() (Record, error, bool)
	stop  func()
	rec   Record
	err   error
	ended bool
}

// advance reports whether there is another record, or an error.
func (s *source) advance() bool {
	rec, err, ok := s.next()
	s.rec, s.err, s.ended = rec, err, !ok
	if !ok {
		s.stop()
	}
	return ok
}

// runHeap has the run with the least key first. Errors come first of all.
type runHeap []*source

func (h runHeap) Len() int { return len(h) }

func (h runHeap) Less(i, j int) bool {
	if h[i].err != nil || h[j].err != nil {
		return h[i].err != nil
	}
	if c := h[i].rec.Key.Compare(h[j].rec.Key); c != 0 {
		return c < 0
	}
	return bytes.Compare(h[i].rec.Value, h[j].rec.Value) < 0
}

func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface. A merge never calls it.
func (h *runHeap) Push(x any) { *h = append(*h, x.(*source)) }

func (h *runHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
