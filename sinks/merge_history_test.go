package sinks

import (
	"bytes"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"b24export/pipeline"
	"b24export/schemas"
)

// history is a portal's dataset over many nights, each of which is published and swept.
type history struct {
	*nights
	back      *Dataset // writes the segments of backfills
	groupRows int
}

func newHistory(t *testing.T, s Store) *history {
	m := newMerger(t, s)
	m.d.opts.History = 3
	back := New(s, &Options{Portal: "acme", Runner: "b", Compression: "snappy"}).Backfill()
	if _, err := back.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { back.End(t.Context()) })
	return &history{nights: &nights{merger: m, model: make(map[int64]schemas.Payment), marks: make(map[int64]uint64)}, back: back}
}

// publish merges a part, publishes the snapshot and sweeps.
func (h *history) publish(p part, backfill bool) pipeline.MergeResult {
	h.t.Helper()
	h.n++
	h.d.opts.RowGroupRows = h.groupRows
	h.cp = pipeline.Checkpoint{Version: 1, Number: int64(1000 * h.n), Snapshot: pipeline.SnapshotAt(time.Date(2026, 1, 1+h.n, 2, 0, 0, 0, time.UTC)), Phase: pipeline.Fetched}
	writer := h.d
	if backfill {
		writer, h.cp.Backfill, h.cp.Base = h.back, h.cp.Snapshot, h.last.Snapshot
	}
	// Two segments, of which one has the even ids.
	for i, part := range split(p) {
		seg, err := writer.WriteSegment(h.t.Context(), h.cp.Number-int64(i), part)
		if err != nil {
			h.t.Fatal(err)
		}
		h.cp.Segments = append(h.cp.Segments, seg)
	}
	res, err := h.d.Merge(h.t.Context(), h.cp, h.last)
	if err != nil {
		h.t.Fatalf("night %d: %v", h.n, err)
	}
	m := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: h.cp.Snapshot, SchemaVersion: schemas.Version,
		Ledger:  pipeline.Ledger{Listed: res.Rows, Got: res.Rows - res.Carried, Carried: res.Carried},
		Changes: res.Changes, Feed: res.Feed, Totals: res.Totals, Files: res.Files, Listed: res.Listed,
	}
	if h.last != nil {
		m.Previous = h.last.Snapshot
	}
	if err := h.d.Publish(h.t.Context(), m); err != nil {
		h.t.Fatalf("night %d: %v", h.n, err)
	}
	h.last = m
	h.cp.Segments, h.cp.Phase, h.cp.Previous = nil, pipeline.Published, m.Previous
	if err := h.d.Sweep(h.t.Context(), h.cp); err != nil {
		h.t.Fatalf("night %d: %v", h.n, err)
	}
	return res
}

func split(p part) []part {
	var parts [2]part
	for _, row := range p.Rows {
		parts[row.ID%2].Rows = append(parts[row.ID%2].Rows, row)
	}
	for _, id := range p.Gone {
		parts[id%2].Gone = append(parts[id%2].Gone, id)
	}
	for _, mark := range p.Marks {
		parts[mark.ID%2].Marks = append(parts[mark.ID%2].Marks, mark)
	}
	return parts[:]
}

// apply changes the model as a merge of p must change the table.
func (h *history) apply(p part) (want pipeline.MergeResult) {
	for id := range h.model {
		_, changed := slices.BinarySearchFunc(p.Rows, id, func(r schemas.Payment, id int64) int { return int(r.ID - id) })
		if !changed && !slices.Contains(p.Gone, pipeline.PaymentID(id)) {
			want.Carried++
		}
	}
	for _, row := range p.Rows {
		was, known := h.model[row.ID]
		switch {
		case !known:
			want.Changes.Insert++
		case len(schemas.Changed(&was, &row)) > 0:
			want.Changes.Update++
		}
		h.model[row.ID] = row
		delete(h.marks, row.ID)
	}
	for _, id := range p.Gone {
		if _, known := h.model[int64(id)]; known {
			want.Changes.Delete++
		}
		delete(h.model, int64(id))
		delete(h.marks, int64(id))
	}
	for _, mark := range p.Marks {
		h.marks[int64(mark.ID)] = mark.Mark
	}
	want.Rows = int64(len(h.model))
	return want
}

// check compares everything that readers see of the newest snapshot with the model.
func (h *history) check() {
	h.t.Helper()
	var want []schemas.Payment
	var totals schemas.Totals
	for _, id := range slices.Sorted(maps.Keys(h.model)) {
		row := h.model[id]
		want = append(want, row)
		totals.Add(&row)
	}
	data, _ := h.table()
	got, err := readPayments(data)
	if err != nil || !slices.Equal(want, got) {
		h.t.Fatalf("%d rows, want %d, error %v; first difference:\n%s", len(got), len(want), err, firstDiff(want, got))
	}
	if got = arrowPayments(h.t, data); !slices.Equal(want, got) {
		h.t.Fatalf("Arrow reads %d rows, want %d; first difference:\n%s", len(got), len(want), firstDiff(want, got))
	}
	if diff := cmp.Diff(totals.ByCurrency(), h.last.Totals); diff != "" {
		h.t.Errorf("totals (-want +got):\n%s", diff)
	}
	if _, found, err := h.d.Verify(h.t.Context(), h.last.Snapshot); err != nil || len(found) > 0 {
		h.t.Errorf("verify: %v, %v", err, found)
	}
	checkBounds(h.t, data)
	marks := make(map[int64]uint64)
	for mark, err := range h.d.Marks(h.t.Context(), h.last, 0) {
		if err != nil {
			h.t.Fatal(err)
		}
		marks[int64(mark.ID)] = mark.Mark
	}
	if diff := cmp.Diff(h.marks, marks); diff != "" {
		h.t.Errorf("marks (-want +got):\n%s", diff)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		h.t.Fatal(err)
	}
	groups := file.Metadata().RowGroups
	for i, g := range groups {
		if i+1 < len(groups) && int(g.NumRows) < h.groupRows/smallGroup || int(g.NumRows) > h.groupRows {
			h.t.Errorf("row group %d of %d has %d rows of %d", i, len(groups), g.NumRows, h.groupRows)
		}
	}
}

// TestHistories merges many nights of all kinds. After each, the table must be that of the
// model, in whatever way it was written: decoded, copied in part, linked.
func TestHistories(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it slow, and it runs in one goroutine")
	}
	for seed := range uint64(1) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		folder, err := OpenFolder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { folder.Close() })
		h, again := newHistory(t, folder), newHistory(t, memStore(t))
		h.groupRows = 120
		copied, kept := 0, 0
		for night := range 36 {
			if rnd.IntN(6) == 0 {
				h.groupRows = []int{120, 40, 17, 300, 5000, 121}[rnd.IntN(6)]
			}
			if rnd.IntN(8) == 0 {
				form := [][2]string{{profileStandard, "zstd"}, {profileStandard, "snappy"}, {profileStandard, "none"}, {profileCompatible, "snappy"}}[rnd.IntN(4)]
				h.d.opts.Profile, h.d.opts.Compression = form[0], form[1]
			}
			again.groupRows, again.d.opts.Profile, again.d.opts.Compression = h.groupRows, h.d.opts.Profile, h.d.opts.Compression
			p := anyNight(rnd, h.model, int64(night))
			backfill := night > 0 && rnd.IntN(10) == 0
			if backfill {
				p.Gone, p.Marks = nil, nil
			}
			got := h.publish(p, backfill)
			if diff := cmp.Diff(got, again.publish(p, backfill)); diff != "" {
				t.Errorf("the same history has another snapshot:\n%s", diff)
			}
			want := h.apply(p)
			if got.Changes != want.Changes || got.Rows != want.Rows || got.Carried != want.Carried {
				t.Errorf("merged %+v, want %+v", got, want)
			}
			h.check()
			if h.d.seen.kept {
				kept++
			} else if h.d.seen.copies {
				copied++
			}
			if t.Failed() {
				t.Fatalf("seed %d, night %d: %d rows, %d gone, backfill %t, row groups of %d, %s, %s", seed, night, len(p.Rows), len(p.Gone), backfill, h.groupRows, h.d.opts.Profile, h.d.opts.Compression)
			}
		}
		ids, err := h.d.SnapshotIDs(t.Context())
		if err != nil || len(ids) != 4 || copied == 0 || kept == 0 {
			t.Errorf("%d snapshots, error %v, %d nights may have copied row groups, %d kept the table", len(ids), err, copied, kept)
		}
		for _, id := range ids {
			if _, found, err := h.d.Verify(t.Context(), id); err != nil || len(found) > 0 {
				t.Errorf("verify %s: %v, %v", id, err, found)
			}
		}
	}
}

// anyNight returns a night of a random kind.
func anyNight(rnd *rand.Rand, model map[int64]schemas.Payment, night int64) (p part) {
	ids := slices.Sorted(maps.Keys(model))
	if len(ids) == 0 {
		return part{Rows: generate(rnd.Uint64(), 50, 200+rnd.IntN(300))}
	}
	each := func(from, n int, do func(id int64)) {
		for _, id := range ids[max(0, min(from, len(ids))):min(from+n, len(ids))] {
			do(id)
		}
	}
	change := func(id int64) {
		row := model[id]
		if rnd.IntN(3) > 0 {
			extreme(rnd, &row)
		}
		row.Sum = schemas.Some(row.Sum.V/2 + 1)
		p.Rows = append(p.Rows, row)
		if rnd.IntN(4) == 0 {
			p.Marks = append(p.Marks, pipeline.Mark{ID: pipeline.PaymentID(id), Mark: rnd.Uint64() | 1})
		}
	}
	gone := func(id int64) { p.Gone = append(p.Gone, pipeline.PaymentID(id)) }
	between := func(id int64) {
		if _, known := model[id+1]; !known && rnd.IntN(20) == 0 {
			row := model[id]
			row.ID++
			p.Rows = append(p.Rows, row)
		}
	}
	some := rnd.IntN(len(ids))
	switch rnd.IntN(11) {
	case 0, 1:
		return part{} // nothing changed
	case 2:
		each(0, len(ids), change)
	case 3: // in all row groups
		each(0, len(ids), func(id int64) {
			if rnd.IntN(60) == 0 {
				change(id)
			}
		})
	case 4:
		each(some, 1+rnd.IntN(300), gone)
	case 5:
		change(ids[some])
	case 6: // the first and the last
		each(0, 1, gone)
		each(len(ids)-1, 1, gone)
	case 7:
		each(0, len(ids)-1, between)
	case 8: // before all others
		if row := model[ids[0]]; row.ID > 1 {
			row.ID = 1 + rnd.Int64N(row.ID-1)
			p.Rows = append(p.Rows, row)
		}
	case 9: // one that is not there
		if _, known := model[ids[some]+1]; !known {
			gone(ids[some] + 1)
		}
	case 10:
		each(some, 1+rnd.IntN(200), func(id int64) {
			[]func(int64){change, gone, func(int64) {}}[rnd.IntN(3)](id)
		})
	}
	if rnd.IntN(3) == 0 {
		for _, row := range generate(rnd.Uint64(), ids[len(ids)-1]+2, 1+rnd.IntN(150)) {
			extreme(rnd, &row)
			p.Rows = append(p.Rows, row)
		}
	}
	for i := range p.Rows { // a backfill's rows must be the newest
		p.Rows[i].ExtractedAt = schemas.Some(schemas.Instant(2_000_000_000_000_000 + night))
	}
	return p
}

// extreme sets some columns to values that bounds and statistics may get wrong.
func extreme(rnd *rand.Rand, row *schemas.Payment) {
	texts := []string{"", "\x00", strings.Repeat("z", maxBound), strings.Repeat("я", maxBound/2), // not shortened
		strings.Repeat("z", maxBound+1), "z" + strings.Repeat("\U0010ffff", maxBound/4), "z" + strings.Repeat("\ud7ff", 40)}
	text := func(n int) schemas.Null[string] {
		if rnd.IntN(5) == 0 {
			return schemas.Null[string]{}
		}
		return schemas.Some(texts[rnd.IntN(n)])
	}
	integer := schemas.Some([]int64{math.MaxInt64, math.MinInt64, -1, 0}[rnd.IntN(4)])
	switch rnd.IntN(8) {
	case 0:
		*row = schemas.Payment{ID: row.ID}
	case 1:
		row.Sum = schemas.Some([]schemas.Decimal{999_999_999_999_999_999, -999_999_999_999_999_999, 0}[rnd.IntN(3)])
	case 2:
		row.AccountNumber, row.Extra = text(len(texts)), text(len(texts))
	case 3:
		row.Currency, row.PaySystemName, row.Returned = text(4), text(4), text(4) // dictionaries are not shortened
	case 4:
		row.ResponsibleID, row.EntityID = integer, integer
	case 5:
		row.DatePaid = schemas.Some(schemas.Instant(integer.V))
	}
}
