package source

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math"
	"strconv"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/schemas"
)

// Estimate predicts how a run reads one portal. It predicts changes from the whole
// listing, also if orders or events find them: the listing costs more.
type Estimate struct {
	// Range describes the range that a backfill fetches.
	Range string `json:"range,omitempty"`
	// ToList and ToGet are numbers of payments. ToGet is exact for a full run. For an
	// incremental run it is estimated from a sample of the listing.
	ToList int64 `json:"to_list"`
	ToGet  int64 `json:"to_get"`
	// Job is the forecast of the run as the job defines it, List that with enrich:
	// list.
	Job  Forecast `json:"forecast"`
	List Forecast `json:"enrich_list"`
}

// Forecast is the least cost of a run under the portal's limits.
type Forecast struct {
	Requests int64 `json:"requests"`
	// RateS, OperatingS and LatencyS are how long the run would take under each limit
	// alone, in seconds: requests per second, operating time, and the time until the
	// portal answers with as many concurrent requests as allowed.
	RateS      float64 `json:"rate_s"`
	OperatingS float64 `json:"operating_s"`
	LatencyS   float64 `json:"latency_s"`
	// Seconds is the prediction. LimitedBy is the limit that determines it.
	Seconds   float64 `json:"seconds"`
	LimitedBy string  `json:"binding"`
	// Bytes is how many bytes the portal sends, uncompressed.
	Bytes int64 `json:"bytes"`
}

// Span returns Seconds as a duration.
func (f Forecast) Span() time.Duration { return time.Duration(f.Seconds * float64(time.Second)) }

// UnpredictableError is returned if a run finds payments in a way whose cost cannot be
// predicted from the portal's answers.
type UnpredictableError struct {
	// List is the value of source.list, in words.
	List string
}

func (e *UnpredictableError) Error() string {
	return fmt.Sprintf("plan cannot predict source.list: %s; docs/sources.md has what such a listing costs", e.List)
}

// RowReader yields the payments of a snapshot with ids above after, in ascending
// order of id. A row is valid until the next one.
type RowReader func(ctx context.Context, m *pipeline.Manifest, after pipeline.PaymentID) iter.Seq2[*schemas.Payment, error]

// MarkReader yields the marks of a snapshot's rows with ids above after, in ascending
// order of id.
type MarkReader func(ctx context.Context, m *pipeline.Manifest, after pipeline.PaymentID) iter.Seq2[pipeline.Mark, error]

// MakeEstimate predicts a run of spec over client's portal, after the snapshot last,
// which is nil for a run that fetches every payment. It sends three requests, or four
// for a backfill. limits are the portal's.
func MakeEstimate(ctx context.Context, spec *jobfile.Spec, client *bitrix.Client, limits bitrix.Limits, last *pipeline.Manifest, read RowReader, marks MarkReader) (est Estimate, err error) {
	if err := predictable(spec, Refusals{}); err != nil {
		return Estimate{}, err
	}
	j := job{spec: spec, client: client, rowMaker: rowMaker{fields: spec.Source.Fields}, log: slog.New(slog.DiscardHandler)}
	part, err := partOf(ctx, &j)
	if err != nil {
		return Estimate{}, err
	}
	est.Range = part.span
	p := planner{spec: spec, client: client, read: read, marks: marks, model: newModel(limits, client.Concurrency()), filter: part.sale.filter, given: -1}
	if part.ids != nil && part.ids.File != "" {
		p.given = part.ids.counted.Load()
	} else if part.ids != nil {
		p.filter = bitrix.Params{">=id": part.ids.From, "<=id": part.ids.To}
	}
	if err := p.probe(ctx, last); err != nil {
		if e, refused := RefusalOf(err); refused && e.Method == bitrix.MethodPaymentList {
			err = predictable(spec, Refusals{Payments: e})
		}
		return Estimate{}, err
	}
	est.ToList = p.total
	est.ToGet = p.total
	if last != nil {
		est.ToGet = p.fresh + int64(math.Ceil(p.changed*float64(max(0, p.total-p.fresh))))
	}
	est.List = p.forecast(est.ToList, est.ToGet, jobfile.EnrichList)
	est.Job = est.List
	if spec.Source.Enrich == jobfile.EnrichGet {
		est.Job = p.forecast(est.ToList, est.ToGet, jobfile.EnrichGet)
	}
	return est, nil
}

// predictable returns an error if a run cannot find payments, or does not use the list
// that the planner uses.
func predictable(spec *jobfile.Spec, refused Refusals) error {
	way, err := Choose(spec, refused)
	if err != nil {
		return err
	}
	switch {
	case way.List == jobfile.ListBindings || way.List == jobfile.ListItems:
		err = &UnpredictableError{List: string(way.List)}
	case way.Bare:
		err = &UnpredictableError{List: "ids, where payments may not be listed"}
	}
	if err != nil && refused.Payments != nil {
		return fmt.Errorf("%w: %w", err, refused.Payments)
	}
	return err
}

// planner contains the results of the probing calls.
type planner struct {
	spec   *jobfile.Spec
	client *bitrix.Client
	read   RowReader
	marks  MarkReader
	clock  *listClock    // as the last run measured it
	filter bitrix.Params // what the payments must match
	given  int64         // how many ids a file names; -1 without a file
	model

	total   int64   // payments on the portal
	fresh   int64   // of these, payments with ids above those of the last snapshot
	changed float64 // share of the sample that differs from the last snapshot
	orders  float64 // orders per payment

	listBytes, getBytes int64 // bytes of a page and of a payment
}

// samples is how many pages are read, spread over the listing.
const samples = 10

// probe sends the three requests: for the listing's ends, for pages in between, and for
// gets with their owners. The last answer also reports the cost of the two before.
func (p *planner) probe(ctx context.Context, last *pipeline.Manifest) error {
	if last != nil {
		p.clock = clockOf(last.Dates, time.Now())
	}
	ends := []bitrix.Command{p.page("first", 0, "asc", Counted), p.page("newest", 0, "desc", Uncounted)}
	known := last != nil && len(last.Files) > 0 && last.Files[0].Rows > 0
	if known {
		ends = append(ends, p.page("fresh", int64(last.Files[0].MaxID), "asc", Counted))
	}
	results, pages, short, err := p.list(ctx, ends)
	if err != nil {
		return err
	}
	first, newest := pages[0], pages[1]
	p.total = max(results[0].Total, int64(len(first)))
	if p.given >= 0 {
		p.total = p.given // an upper bound; the run finds out how many of them exist
	}
	if known {
		p.fresh = max(0, results[2].Total)
	}
	if len(first) == 0 || len(newest) == 0 {
		return nil
	}

	var between []bitrix.Command
	var from []int64
	low, high := first[0].ID, newest[0].ID
	if known {
		high = int64(last.Files[0].MaxID)
	}
	for i := range int64(samples) {
		from = append(from, low-1+max(0, high-low)*i/samples)
		between = append(between, p.page("s"+strconv.FormatInt(i, 10), from[i], "asc", Uncounted))
	}
	results, pages, long, err := p.list(ctx, between)
	if err != nil {
		return err
	}
	// Extrapolate from the ends and from ten pages to a full chain.
	p.chain = long + max(0, long-short)*time.Duration(bitrix.MaxCommands-samples)/time.Duration(samples-len(ends))
	var orders, rows int
	for i, page := range pages {
		p.listBytes += int64(len(results[i].Value)) / samples
		chunk := asChunk(page)
		orders += len(newOwners(chunk, nil).orders)
		rows += len(chunk)
	}
	p.orders = float64(orders) / float64(max(1, rows))
	if known {
		if p.changed, err = p.sampleChanges(ctx, last, from, pages); err != nil {
			return err
		}
	}
	return p.probeGets(ctx, asChunk(first))
}

// page requests a page of the listing with ids above after.
func (p *planner) page(key string, after int64, order string, start int) bitrix.Command {
	filter := bitrix.Params{">id": after}
	maps.Copy(filter, p.filter)
	return PaymentPage(key, schemas.ListFields(p.spec.Source.Fields), filter, order, start)
}

// list calls pages. For each result it returns the rows that can be read. It also
// returns how long the answer took.
func (p *planner) list(ctx context.Context, commands []bitrix.Command) ([]bitrix.Result, [][]schemas.Payment, time.Duration, error) {
	results, took, err := p.timed(ctx, commands)
	if err != nil {
		return nil, nil, 0, err
	}
	pages := make([][]schemas.Payment, len(results))
	for i, res := range results {
		if res.Err != nil {
			return nil, nil, 0, res.Err
		}
		items, err := PaymentsOf(res.Value)
		if err != nil {
			return nil, nil, 0, err
		}
		for _, raw := range items {
			var row schemas.Payment
			if row.ReadListed(raw, p.spec.Source.Fields) == nil {
				if p.clock != nil {
					p.clock.correct(&row, raw)
				}
				pages[i] = append(pages[i], row)
			}
		}
	}
	return results, pages, took, nil
}

func asChunk(rows []schemas.Payment) []listed {
	chunk := make([]listed, len(rows))
	for i, row := range rows {
		chunk[i] = listed{ID: pipeline.PaymentID(row.ID), Row: row}
	}
	return chunk
}

// sampleChanges returns the share of sampled payments that differ from the last
// snapshot.
func (p *planner) sampleChanges(ctx context.Context, last *pipeline.Manifest, from []int64, pages [][]schemas.Payment) (float64, error) {
	marks, err := p.sampleMarks(ctx, last, pages)
	if err != nil {
		return 0, err
	}
	var seen, differ int
	for i, page := range pages {
		if len(page) == 0 {
			continue
		}
		end := page[len(page)-1].ID
		was := make(map[int64]schemas.Payment, len(page))
		for row, err := range p.read(ctx, last, pipeline.PaymentID(from[i])) {
			if err != nil {
				return 0, err
			}
			if row.ID > end {
				break
			}
			was[row.ID] = *row
		}
		for _, row := range page {
			old, ok := was[row.ID]
			seen++
			mark := marks[pipeline.PaymentID(row.ID)]
			if ok && p.clock != nil && p.clock.hides(row.DateBill, old.DateBill) {
				row.DateBill = old.DateBill
			}
			if ok && schemas.SameMarked(&row, &old, p.spec.Source.Fields, mark) {
				continue
			}
			if _, filled := schemas.Fill(&row, &old, p.spec.Source.Fields, mark); !ok || !filled {
				differ++
			}
		}
	}
	if seen == 0 {
		return 0, nil
	}
	return float64(differ) / float64(seen), nil
}

// sampleMarks returns the marks of sampled payments.
func (p *planner) sampleMarks(ctx context.Context, last *pipeline.Manifest, pages [][]schemas.Payment) (map[pipeline.PaymentID]uint64, error) {
	sampled := make(map[pipeline.PaymentID]bool)
	for _, page := range pages {
		for i := range page {
			sampled[pipeline.PaymentID(page[i].ID)] = true
		}
	}
	marks := make(map[pipeline.PaymentID]uint64)
	for mark, err := range p.marks(ctx, last, 0) {
		if err != nil {
			return nil, err
		}
		if sampled[mark.ID] {
			marks[mark.ID] = mark.Mark
		}
	}
	return marks, nil
}

// probeGets fetches a chunk as a run does, and reads what the governor has measured.
func (p *planner) probeGets(ctx context.Context, chunk []listed) error {
	chunk = chunk[:min(len(chunk), (&Source{enrich: jobfile.EnrichGet}).Chunk())]
	commands := newOwners(chunk, nil).commands()
	for _, item := range chunk {
		commands = append(commands, GetCommand(item.ID))
	}
	before := p.client.Use().BytesReceived
	_, took, err := p.timed(ctx, commands)
	if err != nil {
		return err
	}
	p.answer = took
	p.getBytes = (p.client.Use().BytesReceived - before) / int64(len(chunk))
	gauge := p.client.Gauge()
	p.learn(&gauge)
	return nil
}

// timed calls a batch and returns how long the request took, without waits.
func (p *planner) timed(ctx context.Context, commands []bitrix.Command) ([]bitrix.Result, time.Duration, error) {
	before, start := p.client.Use(), time.Now()
	results, err := p.client.Batch(ctx, commands)
	use := p.client.Use()
	waited := use.RateWait + use.OperatingWait - before.RateWait - before.OperatingWait
	return results, max(0, time.Since(start)-waited), err
}
