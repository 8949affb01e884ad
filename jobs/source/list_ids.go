package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source/spill"
	"b24export/pipeline"
	"b24export/schemas"
)

// idLine is the longest line of a file of ids in bytes, comments included.
const idLine = 4 << 10

// IDsError is returned if a file of ids cannot be opened or has an invalid line. Nothing
// was listed.
type IDsError struct {
	File string
	Line int64
	Text string
	// Why is the reason if it is not a line.
	Why string
}

func (e *IDsError) Error() string {
	if e.Why != "" {
		return fmt.Sprintf("source.ids.file: %s: %s", e.File, e.Why)
	}
	return fmt.Sprintf("%s:%d: %q: must be a payment's id, a whole number from 1 (or nothing, or a comment that begins with #)", e.File, e.Line, e.Text)
}

// givenIDs are the ids that a job names, by a range or by a file. The file may have any
// length and order, and repetitions.
type givenIDs struct {
	jobfile.IDsSpec
	log *slog.Logger

	once    sync.Once
	err     error // of check
	sum     hash.Hash64
	rises   bool // the file's ids are in ascending order
	counted atomic.Int64
}

// check reads the whole file once, so that an invalid line is reported before anything
// is listed.
func (g *givenIDs) check() error {
	g.once.Do(func() {
		if g.File == "" {
			g.rises = true
			g.counted.Store(g.To - g.From + 1)
			return
		}
		g.rises = true
		g.sum = fnv.New64a()
		last := int64(0)
		for id, err := range g.lines() {
			if err != nil {
				g.err = err
				return
			}
			if id != last {
				g.counted.Add(1)
			}
			_, _ = g.sum.Write(binary.AppendUvarint(nil, uint64(id))) // a hash returns no error
			g.rises = g.rises && id >= last
			last = id
		}
	})
	return g.err
}

// CheckIDs reads the file of ids of a job and returns how many it has. It returns an
// *IDsError if a run could not use it.
func CheckIDs(ids jobfile.IDsSpec) (int64, error) {
	g := &givenIDs{IDsSpec: ids}
	if err := g.check(); err != nil {
		return 0, err
	}
	if g.counted.Load() == 0 {
		return 0, &IDsError{File: g.File, Why: "has no id"}
	}
	return g.counted.Load(), nil
}

// String describes the ids. The text differs for files that differ. check must be
// called first.
func (g *givenIDs) String() string {
	if g.File == "" {
		return fmt.Sprintf("ids %d to %d", g.From, g.To)
	}
	return fmt.Sprintf("%d ids of %s (%016x)", g.counted.Load(), filepath.Base(g.File), g.sum.Sum64())
}

// above yields the ids above after in ascending order, each once.
func (g *givenIDs) above(after int64) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		if err := g.check(); err != nil {
			yield(0, err)
			return
		}
		if g.File == "" {
			for id := max(g.From-1, after); id < g.To; {
				id++ // not in the loop's head: g.To may be the largest int64
				if !yield(id, nil) {
					return
				}
			}
			return
		}
		last := after
		once := func(ids iter.Seq2[int64, error]) {
			for id, err := range ids {
				if err == nil && id <= last {
					continue
				}
				last = id
				if !yield(id, err) || err != nil {
					return
				}
			}
		}
		if g.rises {
			once(g.lines())
			return
		}
		var sorted spill.Sorter
		defer func() {
			if err := sorted.Close(); err != nil {
				g.log.Warn("clean up after a file of ids", "error", err)
			}
		}()
		for id, err := range g.lines() {
			if err == nil && id > after {
				err = sorted.Add(spill.Key{id}, nil)
			}
			if err != nil {
				yield(0, err)
				return
			}
		}
		once(func(yield func(int64, error) bool) {
			for rec, err := range sorted.Sorted() {
				if !yield(rec.Key[0], err) {
					return
				}
			}
		})
	}
}

// lines yields the file's ids in the file's order. It skips empty lines, and text after
// a #.
func (g *givenIDs) lines() iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		f, err := os.Open(g.File)
		if err != nil {
			if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
				err = pathErr.Err
			}
			yield(0, &IDsError{File: g.File, Why: err.Error()})
			return
		}
		defer f.Close()
		in := bufio.NewReaderSize(f, 64<<10)
		for number := int64(1); ; number++ {
			line, err := in.ReadSlice('\n')
			ended := errors.Is(err, io.EOF)
			if err != nil && !ended && !errors.Is(err, bufio.ErrBufferFull) {
				yield(0, fmt.Errorf("read the file of ids: %w", err))
				return
			}
			if number == 1 {
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			text, _, _ := bytes.Cut(line, []byte("#"))
			if text = bytes.TrimSpace(text); len(text) > 0 || len(line) > idLine {
				id, err := pipeline.ParsePaymentID(string(text))
				if err != nil || len(line) > idLine {
					yield(0, &IDsError{File: g.File, Line: number, Text: strings.ToValidUTF8(string(text[:min(len(text), 40)]), "?")})
					return
				}
				if !yield(int64(id), nil) {
					return
				}
			}
			if ended {
				return
			}
		}
	}
}

// listIDs lists given payments with sale.payment.list, 2,500 per request. Ids without a
// payment are skipped.
type listIDs struct {
	*listSale
	ids *givenIDs
	// rest is what it means if a payment is not among the ids.
	rest pipeline.Absence
}

func (l *listIDs) finder() finder {
	f := l.listSale.finder()
	f.list, f.absent = l.list, l.absent
	if l.ids.File != "" {
		f.total = func() int64 { return 0 } // the number of ids that exist is not known
	}
	return f
}

// NoIDsError is returned if the portal has no payment with an id of the job.
type NoIDsError struct{ IDs string }

func (e *NoIDsError) Error() string {
	return "the portal has none of " + e.IDs + ": nothing was published"
}

// list yields the payments of the ids. If none exists, it ends with a *NoIDsError. For
// a backfill it only logs a warning, because the rest of the table stays as it is.
func (l *listIDs) list(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		found := false
		for page, err := range l.listAll(ctx, after) {
			found = found || slices.ContainsFunc(page, func(item listed) bool { return !item.Missing })
			if !yield(page, err) || err != nil {
				return
			}
		}
		switch {
		case found || after > 0: // an earlier run may have found some
		case l.rest == pipeline.Gone:
			yield(nil, &NoIDsError{l.ids.String()})
		default:
			l.log.Warn("the portal has none of the payments of this backfill", "ids", l.ids.String())
		}
	}
}

func (l *listIDs) listAll(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	if l.ids.File == "" {
		// A range is a part of the whole listing, regardless of how many ids it has.
		l.filter = bitrix.Params{"<=id": l.ids.To}
		return l.listSale.list(ctx, max(after, pipeline.PaymentID(l.ids.From-1)))
	}
	return func(yield func([]listed, error) bool) {
		part := make([]int64, 0, idsARequest)
		for id, err := range l.ids.above(int64(after)) {
			if err != nil {
				yield(nil, err)
				return
			}
			if part = append(part, id); len(part) == cap(part) {
				if !l.eachByID(ctx, part, yield) {
					return
				}
				part = part[:0]
			}
		}
		if len(part) > 0 {
			l.eachByID(ctx, part, yield)
		}
	}
}

// absent decides by the range. The ids of a file that do not exist are listed as
// missing.
func (l *listIDs) absent(id pipeline.PaymentID, _ *schemas.Payment) pipeline.Absence {
	if l.ids.File == "" && l.ids.From <= int64(id) && int64(id) <= l.ids.To {
		return pipeline.Gone
	}
	return l.rest
}

// listBare lists ids as they are given, for a user who may not list payments. The gets
// show whether a payment exists.
type listBare struct {
	client *bitrix.Client
	ids    *givenIDs
	rest   pipeline.Absence // of payments that are not among the ids

	once    sync.Once
	nothing *bitrix.Error // the portal's error for a payment that does not exist
	err     error
}

func (l *listBare) finder() finder {
	return finder{
		list: l.list, again: l.again, byID: l.byID, total: l.ids.counted.Load,
		absent: always(l.rest), // every one of the ids is listed
		same:   func(_, _ *schemas.Payment, _ uint64) bool { return false },
	}
}

func (l *listBare) list(_ context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		page := make([]listed, 0, bitrix.PageSize)
		for id, err := range l.ids.above(int64(after)) {
			if err != nil {
				yield(nil, err)
				return
			}
			if page = append(page, listed{ID: pipeline.PaymentID(id)}); len(page) == cap(page) {
				if !yield(page, nil) {
					return
				}
				page = make([]listed, 0, bitrix.PageSize)
			}
		}
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

// byID returns all ids, as list does: the gets show whether a payment exists.
func (l *listBare) byID(_ context.Context, ids []pipeline.PaymentID) ([]listed, error) {
	found := make([]listed, len(ids))
	for i, id := range ids {
		found[i].ID = id
	}
	return found, nil
}

// noPayment is an id without a payment on any portal: the highest one that its column
// can hold.
const noPayment = 1<<31 - 1

// again finds the refused payments that exist but that this user may not read. It
// compares the refusal with that of an id that cannot exist. The texts are translated,
// so they cannot be compared with a fixed text. If both are the same, as in the newest
// module, it cannot know.
func (l *listBare) again(ctx context.Context, items []listed) (there map[pipeline.PaymentID]schemas.Payment, sure bool, err error) {
	l.once.Do(func() { l.nothing, l.err = refusalOfNothing(ctx, l.client) })
	if l.err != nil {
		return nil, false, l.err
	}
	there = make(map[pipeline.PaymentID]schemas.Payment)
	for _, item := range items {
		if r := item.Reject; r == nil || r.Code != l.nothing.Code || r.Description != l.nothing.Description {
			there[item.ID] = item.Row
		}
	}
	return there, false, nil
}

// refusalOfNothing returns the portal's error for a payment that cannot exist. The
// portal must return it twice, because one answer may be a temporary fault.
func refusalOfNothing(ctx context.Context, client *bitrix.Client) (*bitrix.Error, error) {
	var last *bitrix.Error
	for range 5 {
		_, err := client.Call(ctx, bitrix.MethodItemPaymentGet, bitrix.Params{"id": noPayment})
		e, ok := errors.AsType[*bitrix.Error](err)
		if !ok || e.Class() != bitrix.Reject || errors.Is(err, bitrix.ErrPatience) {
			return nil, errors.Join(errors.New("ask for a payment that cannot exist"), err)
		}
		if last != nil && last.Code == e.Code && last.Description == e.Description {
			return e, nil
		}
		last = e
	}
	return nil, fmt.Errorf("ask for a payment that cannot exist: the answers differ: %w", last)
}
