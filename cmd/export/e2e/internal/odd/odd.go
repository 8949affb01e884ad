// Package odd writes a dataset with every kind of value that a reader may read wrong,
// for the matrix of readers: sums of 18 digits, negative sums and zero, ids beyond
// 2^53, microseconds, instants before 1970, nulls everywhere and whole pages of them,
// long texts of three scripts, several row groups, and three snapshots of four portals
// with awkward names.
package odd

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// Portals are the portals' names. Engines that guess types read three of them as a
// number, a date and a boolean.
var Portals = []string{"012", "2024-01-01", "acme", "true"}

// Small is the portal whose numbers are below 2^53, for readers that support no others.
const Small = "true"

// shrink makes the stored form of a payment's numbers small.
func shrink(p *schemas.Payment) {
	for _, n := range []*schemas.Null[int64]{&p.EmpPaidID, &p.PaySystemID, &p.OrderID, &p.EntityID} {
		n.V %= 1_000_003
	}
	p.Sum.V %= 1_000_000_007
}

// Rows is the number of payments of the portal acme. The others have a few.
const Rows = 12_000

// RowGroupRows is the number of rows of a row group.
const RowGroupRows = 4000

// The first run; each later one is a day after.
var firstNight = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

// Truth has the tables of the newest snapshot by portal.
type Truth struct {
	Payments map[string][]schemas.Payment
	// Rejects of the newest snapshot of acme.
	Rejects []pipeline.Reject
	// Snapshots of each portal, oldest first.
	Snapshots []string
}

// Write writes the dataset into a folder, with options. Without options it writes
// nothing, and returns what the folder must have.
func Write(t testing.TB, dir string, options *sinks.Options) Truth {
	t.Helper()
	var store sinks.Store
	if options != nil {
		folder, err := sinks.OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		store = folder
	}
	truth := Truth{Payments: make(map[string][]schemas.Payment)}
	for i, name := range Portals {
		n := 40 + 10*i
		switch name {
		case "acme":
			n = Rows
		case Small:
			n = Rows / 2
		}
		small := name == Small
		rows := payments(uint64(i), n, small)
		seen := make(map[int64]bool) // a rejected payment that the table has keeps its row
		for _, row := range rows {
			seen[row.ID] = true
		}
		for night := range 3 {
			now := firstNight.AddDate(0, 0, night)
			rejects := rejectsOf(rows, seen, night)
			if options != nil {
				run(t, store, name, *options, now, &portal{rows: rows, rejects: rejects})
			}
			if name == "acme" {
				truth.Snapshots = append(truth.Snapshots, now.Format("20060102T150405Z"))
				truth.Rejects = rejects
			}
			truth.Payments[name] = rows
			rows = nextNight(rows, night, small)
		}
	}
	return truth
}

func run(t testing.TB, store sinks.Store, name string, options sinks.Options, now time.Time, source *portal) {
	t.Helper()
	options.Portal, options.RowGroupRows, options.History, options.Runner = name, RowGroupRows, 10, "odd"
	options.Program, options.Now = "b24export/test", func() time.Time { return now }
	s, err := pipeline.Run(t.Context(), pipeline.Config[schemas.Payment]{
		Source: source,
		Sink:   sinks.New(store, &options),
		Table: pipeline.Table[schemas.Payment]{
			ID:     func(r *schemas.Payment) pipeline.PaymentID { return pipeline.PaymentID(r.ID) },
			Same:   func(listed, last *schemas.Payment, _ uint64) bool { return len(schemas.Changed(listed, last)) == 0 },
			ReadAt: func(r *schemas.Payment) time.Time { return r.ExtractedAt.V.Time() },
		},
		Options: pipeline.Options{
			Dataset: "payments", Portal: name, Program: "b24export/test", Runner: "odd", SchemaVersion: schemas.Version,
			Fingerprint: "f", Mode: pipeline.Full, CheckpointRows: 50_000, Workers: 1, Chunk: 1000,
			Rejects: pipeline.RejectLimit{Count: 1000}, AllowDeletes: true, Now: func() time.Time { return now },
		},
	})
	if err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	if s.Manifest == nil {
		t.Fatalf("write %s: nothing was published", name)
	}
}

// portal is a source with given payments.
type portal struct {
	rows    []schemas.Payment
	rejects []pipeline.Reject
}

func (p *portal) List(_ context.Context, after pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[schemas.Payment], error] {
	return func(yield func([]pipeline.Listed[schemas.Payment], error) bool) {
		var page []pipeline.Listed[schemas.Payment]
		at := 0
		for _, row := range p.rows {
			for at < len(p.rejects) && int64(p.rejects[at].ID) < row.ID {
				page = append(page, pipeline.Listed[schemas.Payment]{ID: p.rejects[at].ID, Row: schemas.Payment{ID: int64(p.rejects[at].ID)}})
				at++
			}
			page = append(page, pipeline.Listed[schemas.Payment]{ID: pipeline.PaymentID(row.ID), Row: row})
		}
		page = slices.DeleteFunc(page, func(l pipeline.Listed[schemas.Payment]) bool { return l.ID <= after })
		for part := range slices.Chunk(page, 2500) {
			if !yield(part, nil) {
				return
			}
		}
	}
}

func (p *portal) Get(_ context.Context, chunk []pipeline.Listed[schemas.Payment]) (pipeline.Got[schemas.Payment], error) {
	var got pipeline.Got[schemas.Payment]
	for _, item := range chunk {
		if i := slices.IndexFunc(p.rejects, func(r pipeline.Reject) bool { return r.ID == item.ID }); i >= 0 {
			got.Rejects = append(got.Rejects, p.rejects[i])
			continue
		}
		got.Rows = append(got.Rows, item.Row)
	}
	return got, nil
}

func (p *portal) Begin(context.Context, pipeline.Scope) (*pipeline.Since, error) { return nil, nil }

func (p *portal) Absent(pipeline.PaymentID, *schemas.Payment) pipeline.Absence { return pipeline.Gone }

func (p *portal) Find(context.Context, []pipeline.PaymentID) ([]pipeline.Listed[schemas.Payment], error) {
	return nil, nil
}

func (p *portal) Use() pipeline.PortalUse { return pipeline.PortalUse{} }

func (p *portal) Total() int64 { return 0 }

func (p *portal) Dates() *pipeline.Dates { return nil }

// TimeZone implements pipeline.Source.
func (p *portal) TimeZone() string { return "" }

// texts are of three scripts, with characters that quoting and patterns may handle
// wrong.
var texts = []string{
	"", "by phone", "Звонить до 18:00", "电话联系", "50 % off", "under_score", `it's "quoted"`, `back\slash`, "two\nlines", "ёлка", "naïve",
	"Ζεύς", "🙂 paid", strings.Repeat("длинный текст ", 12), strings.Repeat("long ", 30) + "end", strings.Repeat("long ", 30) + "other end",
}

var names = []string{"Visa/Mastercard", "Наличные", "现金", "PayPal", "", strings.Repeat("Очень длинное название ", 5)}

// payments returns n rows.
func payments(seed uint64, n int, small bool) []schemas.Payment {
	rnd := rand.New(rand.NewPCG(seed, 7))
	rows := make([]schemas.Payment, n)
	id := int64(0)
	for i := range rows {
		id += 1 + rnd.Int64N(3)
		switch {
		case small:
		case i == n-20:
			id = 1<<53 + 1
		case i == n-1:
			id = 9_000_000_000_000_000_007
		}
		rows[i] = payment(rnd, id, i, n)
		if small {
			shrink(&rows[i])
		}
	}
	return rows
}

func payment(rnd *rand.Rand, id int64, i, n int) schemas.Payment {
	p := schemas.Payment{ID: id}
	often := func() bool { return rnd.IntN(4) > 0 }
	instant := func() schemas.Null[schemas.Instant] {
		switch rnd.IntN(8) {
		case 0:
			return schemas.Null[schemas.Instant]{}
		case 1: // before 1970, to the microsecond
			return schemas.Some(schemas.Instant(-1 - rnd.Int64N(2_000_000_000_000_000)))
		case 2:
			return schemas.Some(schemas.Instant(rnd.Int64N(9_000_000_000_000_000))) // until 2255
		}
		return schemas.Some(schemas.Instant((1_500_000_000 + rnd.Int64N(200_000_000)) * 1_000_000))
	}
	number := func(most int64) schemas.Null[int64] {
		switch rnd.IntN(6) {
		case 0, 1:
			return schemas.Null[int64]{}
		case 2:
			return schemas.Some(1<<53 + 2*rnd.Int64N(50) + 1)
		}
		return schemas.Some(1 + rnd.Int64N(most))
	}
	if often() {
		p.AccountNumber = schemas.Some(fmt.Sprintf("%d/%d", id/2, 1+rnd.IntN(3)))
	}
	if i%97 == 0 {
		p.AccountNumber = schemas.Some(strings.Repeat("номер ", 11) + fmt.Sprint(id)) // longer than a bound may be
	}
	if often() {
		p.Paid = schemas.Some(rnd.IntN(2) == 0)
	}
	p.DatePaid, p.DateBill = instant(), instant()
	if rnd.IntN(50) == 0 {
		p.DatePaid = schemas.Some(schemas.Instant(-1)) // 1969-12-31T23:59:59.999999Z
	}
	p.EmpPaidID, p.PaySystemID, p.OrderID, p.EntityID = number(40), number(12), number(int64(n)), number(1000)
	if i >= n/3 && i < 2*n/3 {
		p.EmpPaidID = schemas.Null[int64]{} // a row group with only nulls
	}
	p.EntityTypeID = []schemas.Null[int64]{{}, schemas.Some[int64](2), schemas.Some[int64](31), schemas.Some[int64](128)}[rnd.IntN(4)]
	p.Sum = []schemas.Null[schemas.Decimal]{
		{}, schemas.Some(schemas.Decimal(0)), schemas.Some(schemas.Decimal(999_999_999_999_999_999)),
		schemas.Some(schemas.Decimal(-999_999_999_999_999_999)), schemas.Some(schemas.Decimal(401_185_390_682_258_135)),
		schemas.Some(schemas.Decimal(-rnd.Int64N(1_000_000))), schemas.Some(schemas.Decimal(1)),
		schemas.Some(schemas.Decimal(rnd.Int64N(999_999_999_999_999_999))),
		schemas.Some(schemas.Decimal(100 * rnd.Int64N(10_000_000))), schemas.Some(schemas.Decimal(100 * rnd.Int64N(10_000_000))),
	}[rnd.IntN(10)]
	if often() {
		p.Currency = schemas.Some([]string{"USD", "EUR", "RUB", "KZT", "руб"}[rnd.IntN(5)])
		p.PaySystemName = schemas.Some(names[rnd.IntN(len(names))])
	}
	// A third of the table has no value, so that whole pages are null.
	if i > n/3 && often() {
		p.Extra = schemas.Some(fmt.Sprintf(`{"comments":"%s %d","n":%d,"pad":"%0150d"}`, strings.ReplaceAll(strings.ReplaceAll(texts[rnd.IntN(len(texts))], `\`, `\\`), `"`, `\"`), i%700, i, i))
		if rnd.IntN(9) == 0 {
			p.Extra = schemas.Some(texts[rnd.IntN(len(texts))])
		}
	}
	p.ExtractedAt = schemas.Some(schemas.Instant(1_763_604_000_000_000 + int64(i)*997))
	if i == 0 { // the row by which docs/readers.md shows what readers do by default
		p.Paid, p.DatePaid = schemas.Null[bool]{}, schemas.Some(schemas.Instant(-1))
		p.Sum, p.OrderID = schemas.Some(schemas.Decimal(401_185_390_682_258_135)), schemas.Some(int64(1<<53+1))
		p.EmpPaidID = schemas.Null[int64]{}
	}
	return p
}

// nextNight changes, deletes and adds some payments.
func nextNight(rows []schemas.Payment, night int, small bool) []schemas.Payment {
	rnd := rand.New(rand.NewPCG(uint64(night), 11))
	var next []schemas.Payment
	for i, row := range rows {
		switch {
		case i > 0 && rnd.IntN(100) == 0:
			continue // deleted
		case i > 0 && rnd.IntN(40) == 0:
			was := row
			row = payment(rnd, row.ID, i, len(rows))
			if small {
				shrink(&row)
			}
			row.Currency, row.ExtractedAt = was.Currency, schemas.Some(was.ExtractedAt.V+86_400_000_000)
		}
		next = append(next, row)
	}
	return next
}

// rejectsOf returns rejects with ids between those of rows.
func rejectsOf(rows []schemas.Payment, seen map[int64]bool, night int) []pipeline.Reject {
	rnd := rand.New(rand.NewPCG(uint64(night), 13))
	var rejects []pipeline.Reject
	for i := range len(rows) - 1 {
		if seen[rows[i].ID+1] || rnd.IntN(20) > 0 || len(rejects) == 300 {
			continue
		}
		r := pipeline.Reject{
			ID: pipeline.PaymentID(rows[i].ID + 1), Stage: []string{"get", "list"}[rnd.IntN(2)], Code: []string{"ACCESS_DENIED", "BAD_VALUE", ""}[rnd.IntN(3)],
			Description: texts[rnd.IntN(len(texts))], Attempts: 1 + rnd.Int64N(3), SeenAt: firstNight.Add(time.Duration(i) * time.Microsecond),
		}
		if rnd.IntN(3) > 0 {
			r.Raw = `{"error":"` + texts[rnd.IntN(len(texts))] + `"}`
		}
		rejects = append(rejects, r)
	}
	return rejects
}
