package sinks

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"b24export/pipeline"
	"b24export/schemas"
)

// readWithin returns the rows that the reader of a payments file decodes for a range.
func readWithin(data []byte, within pipeline.Range) ([]schemas.Payment, error) {
	r, err := openRows(object(data), paymentTable)
	if err != nil {
		return nil, err
	}
	var rows []schemas.Payment
	for p, err := range r.all(context.Background(), within) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, *p)
	}
	return rows, nil
}

// A range of ids has exactly their rows, wherever it begins and ends: in the first or last
// row of a page or of a row group, between two ids, outside of the table. The pages of the
// columns end at different rows.
func TestRangesHaveTheirRowsOnly(t *testing.T) {
	const n = 90_000
	rows := generate(3, 5, n)
	for name, change := range map[string]func(*fileOptions){
		"standard":       func(*fileOptions) {},
		"small groups":   func(o *fileOptions) { o.rowGroupRows = 1000 },
		"no compression": func(o *fileOptions) { o.codec = codecs["none"] },
		"compatible":     func(o *fileOptions) { o.profile, o.codec = profileCompatible, codecs["snappy"] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := testFileOptions()
			opts.rowGroupRows = 50_000
			change(&opts)
			data, _ := writePayments(t, opts, rows)
			check := func(after, through int64) {
				t.Helper()
				from, _ := slices.BinarySearchFunc(rows, after+1, func(p schemas.Payment, id int64) int { return int(p.ID - id) })
				to := from
				for to < n && rows[to].ID <= through {
					to++
				}
				got, err := readWithin(data, pipeline.Range{After: pipeline.PaymentID(after), Through: pipeline.PaymentID(through)})
				if err != nil {
					t.Fatalf("ids %d to %d: %v", after+1, through, err)
				}
				if !slices.Equal(got, rows[from:to]) {
					t.Fatalf("ids %d to %d: %d rows, want %d; or they differ", after+1, through, len(got), to-from)
				}
			}
			for _, row := range []int{0, 1, 999, 1000, 32_767, 32_768, 49_999, 50_000, n - 1} {
				id := rows[row].ID
				check(id-1, id)
				check(id, id+1)
				check(id, id)
				check(id, math.MaxInt64)
			}
			check(0, 4)
			check(0, math.MaxInt64)
			check(rows[n-1].ID, math.MaxInt64)
			check(math.MaxInt64-1, math.MaxInt64)
			check(9, 3)
			rnd := rand.New(rand.NewPCG(8, 15))
			for range 30 {
				from := rnd.IntN(n)
				check(rows[from].ID-1, rows[min(n-1, from+rnd.IntN(40_000))].ID)
			}
		})
	}
}

// A lookup decodes one row of a row group.
func TestLookupDecodesOneRow(t *testing.T) {
	data, _ := writePayments(t, testFileOptions(), generate(3, 5, 122_880))
	r, err := openRows(object(data), paymentTable)
	if err != nil {
		t.Fatal(err)
	}
	low, high, ok := r.ids(&r.file.Metadata().RowGroups[0])
	if !ok || r.file.Metadata().RowGroups[0].NumRows != 122_880 {
		t.Fatal("the file has not one row group with statistics")
	}
	id := pipeline.PaymentID(low + (high-low)/2)
	for {
		row, err := r.next(t.Context(), pipeline.Range{After: id - 1, Through: id})
		if err != nil {
			t.Fatal(err)
		}
		if row != nil {
			break
		}
		r.group = 0
		id++ // ids have gaps
	}
	if r.left > 0 || len(r.rows) > 1 {
		t.Errorf("%d rows were decoded, and %d are left, for one", len(r.rows), r.left)
	}
	r.release()
}
