package sinks

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// nights is a portal's table over several runs.
type nights struct {
	*merger
	last *pipeline.Manifest
	// model has the rows that the table must have, and marks the marks that it must
	// have.
	model map[int64]schemas.Payment
	marks map[int64]uint64
	n     int
}

func newNights(t *testing.T, profile, codec string, groupRows int) *nights {
	m := newMerger(t, memStore(t))
	m.d.opts.Profile, m.d.opts.Compression, m.d.opts.RowGroupRows = profile, codec, groupRows
	return &nights{merger: m, model: make(map[int64]schemas.Payment), marks: make(map[int64]uint64)}
}

// night merges a part into the table, and checks everything that readers can see.
func (n *nights) night(p part) (pipeline.MergeResult, []Change) {
	n.t.Helper()
	n.n++
	n.cp.Segments, n.cp.Snapshot = nil, pipeline.SnapshotID(fmt.Sprintf("202611%02dT020000Z", n.n))
	n.segment(int64(100+n.n), p)
	n.cp.Number = int64(200 + n.n)
	res, rows, feed := n.merge(n.last)
	for _, row := range p.Rows {
		n.model[row.ID] = row
		delete(n.marks, row.ID)
	}
	for _, id := range p.Gone {
		delete(n.model, int64(id))
		delete(n.marks, int64(id))
	}
	for _, mark := range p.Marks {
		n.marks[int64(mark.ID)] = mark.Mark
	}
	var want []schemas.Payment
	for _, id := range slices.Sorted(maps.Keys(n.model)) {
		want = append(want, n.model[id])
	}
	if !slices.Equal(want, rows) {
		n.t.Fatalf("night %d: %d rows, want %d; first difference:\n%s", n.n, len(rows), len(want), firstDiff(want, rows))
	}
	m := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: n.cp.Snapshot, SchemaVersion: schemas.Version,
		Ledger: pipeline.Ledger{Listed: res.Rows, Got: res.Rows}, Changes: res.Changes, Feed: res.Feed, Totals: res.Totals,
		Files: res.Files, Listed: res.Listed,
	}
	for _, f := range m.Files {
		v := &verifier{d: n.d, m: m}
		if err := v.file(n.t.Context(), f); err != nil || len(v.found) > 0 {
			n.t.Fatalf("night %d: verify %s: %v, %v", n.n, f.Path, err, v.found)
		}
	}
	marks := make(map[int64]uint64)
	for mark, err := range n.d.Marks(n.t.Context(), m, 0) {
		if err != nil {
			n.t.Fatal(err)
		}
		marks[int64(mark.ID)] = mark.Mark
	}
	if diff := cmp.Diff(n.marks, marks); diff != "" {
		n.t.Errorf("night %d: marks (-want +got):\n%s", n.n, diff)
	}
	n.last = m
	return res, feed
}

func firstDiff(want, got []schemas.Payment) string {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Sprintf("row %d: want %+v, got %+v", i, want[i], got[i])
		}
	}
	return ""
}

// table returns the bytes of the newest table, and those of its row groups.
func (n *nights) table() (data []byte, groups [][]byte) {
	n.t.Helper()
	data, err := n.s.Read(n.t.Context(), n.d.HistoryPath(n.cp.Snapshot))
	if err != nil {
		n.t.Fatal(err)
	}
	file, err := openParquet(object(data))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, g := range file.Metadata().RowGroups {
		from, to := int64(len(data)), int64(0)
		for i := range g.Columns {
			start, end, err := parquetcheck.ChunkRange(&g.Columns[i].MetaData, int64(len(data)))
			if err != nil {
				n.t.Fatal(err)
			}
			from, to = min(from, start), max(to, end)
		}
		groups = append(groups, data[from:to])
	}
	return data, groups
}

// Row groups without a change are copied, in each profile and compression.
func TestMergeCopiesRowGroups(t *testing.T) {
	for _, tt := range []struct{ profile, codec string }{
		{profileStandard, "zstd"}, {profileStandard, "snappy"}, {profileStandard, "none"}, {profileCompatible, "snappy"},
	} {
		t.Run(tt.profile+"/"+tt.codec, func(t *testing.T) {
			n := newNights(t, tt.profile, tt.codec, 300)
			rows := generate(1, 1, 2500)
			rows[400].Extra = schemas.Some(string(bytes.Repeat([]byte("é"), 2000)))
			n.night(part{Rows: rows})
			_, before := n.table()
			// A row of the third row group is deleted. If all row groups were written again, those
			// after it would begin elsewhere.
			res, feed := n.night(part{Rows: generate(2, rows[2499].ID+1, 50), Gone: []pipeline.PaymentID{pipeline.PaymentID(rows[700].ID)}})
			if res.Changes != (pipeline.Changes{Insert: 50, Delete: 1}) || len(feed) != 51 || res.Carried != 2499 {
				t.Errorf("merged %+v, %d changes", res, len(feed))
			}
			_, after := n.table()
			if !n.d.seen.copies || n.d.seen.decode {
				t.Error("the merge copied nothing")
			}
			for i, g := range after[:8] {
				if same := bytes.Equal(g, before[i]); same != (i != 2) {
					t.Errorf("row group %d: the same bytes: %t", i, same)
				}
			}
		})
	}
}

// For all changes, a merge that copies has the same rows, feed, totals and marks as a
// merge that decodes. Its row groups are not small, and the same runs produce the same
// bytes.
func TestMergeCopiesLikeItDecodes(t *testing.T) {
	const groupRows = 120
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		copying, again := newNights(t, profileStandard, "snappy", groupRows), newNights(t, profileStandard, "snappy", groupRows)
		decoding := newNights(t, profileStandard, "snappy", groupRows)
		decoding.d.seen.decode = true
		next := int64(2)
		p := part{Rows: generate(seed, next, 1000)}
		for night := range 8 {
			want, wantFeed := decoding.night(p)
			got, feed := copying.night(p)
			again.night(p)
			want.Files, got.Files, want.Listed, got.Listed = nil, nil, nil, nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("night %d (-decoded +copied):\n%s", night, diff)
			}
			if diff := cmp.Diff(wantFeed, feed); diff != "" {
				t.Fatalf("night %d: feed (-decoded +copied):\n%s", night, diff)
			}
			a, _ := copying.table()
			if b, _ := again.table(); !bytes.Equal(a, b) {
				t.Fatalf("night %d: other bytes", night)
			}
			file, err := openParquet(object(a))
			if err != nil {
				t.Fatal(err)
			}
			groups := file.Metadata().RowGroups
			for i, g := range groups[:len(groups)-1] {
				if g.NumRows < groupRows/smallGroup || g.NumRows > groupRows {
					t.Errorf("night %d: row group %d of %d has %d rows", night, i, len(groups), g.NumRows)
				}
			}
			p = randomNight(rnd, decoding.model)
		}
	}
}

// The texts of complete row groups do not count against the limit of the next one, which
// would otherwise end after a few rows. A merge joins such a row group with its neighbours
// and copies none of them.
func TestRowGroupsWithTexts(t *testing.T) {
	rows := generate(1, 1, 2000)
	for i := range rows {
		rows[i].Extra = schemas.Some("a text of 24 bytes, here")
	}
	for _, tt := range []struct {
		name             string
		limit, least     int
		rowGroupRows, to int64
	}{
		{"many row groups to the limit", 12_000, 100, 100, 100},
		{"row groups of less than a batch, one and a half to the limit", 3600, 100, 100, 100},
		{"the limit ends row groups", 1200, 50, 100, 52},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := testFileOptions()
			opts.rowGroupRows, opts.groupText = tt.rowGroupRows, tt.limit
			data, _ := writePayments(t, opts, rows)
			file, err := openParquet(object(data))
			if err != nil {
				t.Fatal(err)
			}
			groups := file.Metadata().RowGroups
			for i, g := range groups[:len(groups)-1] {
				if g.NumRows < int64(tt.least) || g.NumRows > tt.to {
					t.Errorf("row group %d of %d has %d rows, want %d to %d", i, len(groups), g.NumRows, tt.least, tt.to)
				}
			}
		})
	}
}

// randomNight changes, deletes and adds payments in one range of ids, and sometimes
// adds new ones at the end.
func randomNight(rnd *rand.Rand, model map[int64]schemas.Payment) part {
	ids := slices.Sorted(maps.Keys(model))
	from := rnd.IntN(len(ids))
	to := min(len(ids), from+rnd.IntN(300))
	var p part
	for i, id := range ids[from:to] {
		row := model[id]
		switch rnd.IntN(4) {
		case 0:
			p.Gone = append(p.Gone, pipeline.PaymentID(id))
		case 1:
			row.Sum.V++
			row.Currency = schemas.Some([]string{"RUB", "GEL"}[rnd.IntN(2)])
			p.Rows = append(p.Rows, row)
			p.Marks = append(p.Marks, pipeline.Mark{ID: pipeline.PaymentID(id), Mark: rnd.Uint64() | 1})
		case 2:
			if i+1 < to-from && ids[from+i+1] > id+1 { // a payment in between
				row.ID = id + 1
				p.Rows = append(p.Rows, row)
			}
		}
	}
	if rnd.IntN(2) == 0 || len(p.Rows) == 0 {
		p.Rows = append(p.Rows, generate(rnd.Uint64(), ids[len(ids)-1]+1, 1+rnd.IntN(150))...)
	}
	return p
}

// A damaged table is not copied. Damage that decoding does not need is written again;
// otherwise the merge ends.
func TestMergeCopiesNoDamage(t *testing.T) {
	start := func(t *testing.T) (*nights, []byte) {
		n := newNights(t, profileStandard, "none", 100)
		n.night(part{Rows: generate(1, 1, 500)})
		data, _ := n.table()
		return n, data
	}
	night := part{Rows: []schemas.Payment{pay(5000, 1)}}
	t.Run("index", func(t *testing.T) {
		n, data := start(t)
		damaged := withTail(t, data, func(tail *parquetTail) {
			index := &tail.columns[0][1] // bounds of the account numbers
			index.MinValues[0], index.MaxValues[0] = []byte("x"), []byte("y")
		})
		if len(damaged) != len(data) {
			n.last.Files[0].Bytes = int64(len(damaged))
		}
		n.replace(&n.last.Files[0], damaged, false)
		n.night(night) // it verifies the indexes
	})
	t.Run("page", func(t *testing.T) {
		n, data := start(t)
		_, groups := n.table()
		at := bytes.Index(data, groups[1]) + len(groups[1]) - 3
		data[at] ^= 1
		n.replace(&n.last.Files[0], data, false)
		n.cp.Segments = nil
		n.segment(150, night)
		n.cp.Snapshot = "20261120T020000Z"
		if _, err := n.d.Merge(t.Context(), n.cp, n.last); !errors.Is(err, parquetcheck.ErrCorrupt) && !errors.Is(err, ErrDamaged) {
			t.Errorf("merged with error %v", err)
		}
	})
	t.Run("totals", func(t *testing.T) {
		n, _ := start(t)
		usd := n.last.Totals["USD"]
		usd.Payments++
		n.last.Totals["USD"] = usd
		n.night(night)
	})
}
