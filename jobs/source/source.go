package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/schemas"
)

// ordersACommand is how many orders one command requests the owners of. An order has
// one owner, so the answer fits on one page.
const ordersACommand = bitrix.PageSize

// Source reads the payments of one portal. It is the pipeline.Source over the portal's
// client. A finder finds the payments. The source fetches each payment in one request
// with the owners of its chunk's orders, unless the finder returns the owners.
type Source struct {
	client *bitrix.Client
	find   finder
	since  changes // nil: the listing itself shows the changes
	enrich jobfile.Enrich
	rowMaker
	days   *time.Location // the job's zone, in which days are counted; nil: as the portal prints them
	sample sampler
	speed  speed
	ownerless
	// commands holds those of earlier gets, *getCommands, for reuse.
	commands sync.Pool
}

var _ pipeline.Source[schemas.Payment] = (*Source)(nil)

// Source returns the source of a run.
func (f *Found) Source() *Source {
	return &Source{client: f.job.client, find: f.finder, since: f.since, enrich: f.job.spec.Source.Enrich, rowMaker: f.job.rowMaker, days: f.job.days}
}

// listedChunk is how many payments share a request for their owners if the listing's
// values are used. With two payments per order, a chunk needs 47 commands for the
// owners. The sample fills the rest of the batch.
const listedChunk = 4700

// Chunk returns how many payments one Get fetches: with the command for their owners, a
// full batch.
func (s *Source) Chunk() int {
	if s.enrich == jobfile.EnrichList {
		return listedChunk
	}
	return bitrix.MaxCommands - 1
}

// Begin implements pipeline.Source.
func (s *Source) Begin(ctx context.Context, scope pipeline.Scope) (*pipeline.Since, error) {
	s.zone.remember(scope.Last)
	if sale := s.find.sale; sale != nil && scope.Mode == pipeline.Full && s.enrich != jobfile.EnrichList {
		sale.beside = slowAnswer
		if scope.Last != nil && scope.Last.Ledger.Rows() > bitrix.PageSize*bitrix.MaxCommands {
			sale.beside = atOnce
		}
	}
	if s.since == nil {
		return keepMark(scope), nil
	}
	older := scope.Last != nil && scope.Last.SchemaVersion < schemas.Version
	if older {
		// The rows lack columns that only a listing of all payments fills.
		last := *scope.Last
		last.Since = nil
		scope.Last = &last
	}
	find, since, err := s.since.begin(ctx, scope)
	if older && since != nil && since.By == string(jobfile.SinceList) && scope.Mode == pipeline.Incremental {
		since.Why = "the table has new columns, whose values the listing has"
	}
	if find != nil {
		s.find = *find
	}
	return since, err
}

// Absent implements pipeline.Source.
func (s *Source) Absent(id pipeline.PaymentID, last *schemas.Payment) pipeline.Absence {
	return s.find.absent(id, last)
}

// Find implements pipeline.Source.
func (s *Source) Find(ctx context.Context, ids []pipeline.PaymentID) ([]listed, error) {
	if s.find.byID != nil {
		return s.find.byID(ctx, ids)
	}
	sale := s.find.sale
	if sale == nil {
		sale = &listSale{client: s.client, rowMaker: s.rowMaker, log: slog.New(slog.DiscardHandler)}
	}
	numbers := make([]int64, len(ids))
	for i, id := range ids {
		numbers[i] = int64(id)
	}
	return sale.byID(ctx, numbers)
}

// List implements pipeline.Source.
func (s *Source) List(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return s.find.list(ctx, after)
}

// Get implements pipeline.Source.
func (s *Source) Get(ctx context.Context, chunk []listed) (pipeline.Got[schemas.Payment], error) {
	if s.enrich == jobfile.EnrichList {
		return s.getListed(ctx, chunk)
	}
	return s.getEach(ctx, chunk, s.ownersOf(chunk))
}

// getEach fetches every payment of the chunk by itself, and the owners of their orders,
// in one batch.
func (s *Source) getEach(ctx context.Context, chunk []listed, orders *owners) (got pipeline.Got[schemas.Payment], err error) {
	known := s.probed(chunk)
	kept, ok := s.commands.Get().(*getCommands)
	if !ok {
		kept = new(getCommands)
	}
	defer s.commands.Put(kept)
	commands := kept.of(chunk, known)
	asked := len(commands)
	var results []bitrix.Result
	if commands = kept.with(orders.commands()); len(commands) > 0 {
		if results, err = s.client.Batch(ctx, commands); err != nil {
			return got, err
		}
	}
	if err := orders.take(ctx, s.client, results[asked:]); err != nil {
		return got, err
	}

	got.Rows = make([]schemas.Payment, 0, len(chunk))
	var refused []pipeline.Reject
	for i := range chunk {
		item := &chunk[i]
		probed, ok := known[item.ID]
		res := &probed
		if !ok {
			res, results = &results[0], results[1:]
		}
		if res.Err != nil {
			at := s.stamp(res.At)
			refused = append(refused, pipeline.Reject{
				ID: item.ID, Stage: "get", Code: res.Err.Code, Description: res.Err.Description,
				Attempts: int64(res.Attempts), SeenAt: at,
			})
			continue
		}
		s.read(item, res, orders, &got)
	}
	if len(refused) > 0 {
		err = s.judge(ctx, chunk, refused, orders, &got)
	}
	return got, err
}

// read adds a fetched payment to got, as a row or as a reject.
func (s *Source) read(item *listed, res *bitrix.Result, orders *owners, got *pipeline.Got[schemas.Payment]) {
	at := s.stamp(res.At)
	s.zone.see(res.Value)
	got.Rows = append(got.Rows, item.Row)
	row := &got.Rows[len(got.Rows)-1]
	if err := row.ReadGot(res.Value); err != nil {
		got.Rows = got.Rows[:len(got.Rows)-1]
		got.Rejects = append(got.Rejects, *badValue(item.ID, "get", err, res.Attempts, at))
		return
	}
	row.ExtractedAt = schemas.Some(schemas.InstantOf(at))
	orders.fill(row)
}

// judge separates payments that have vanished since they were listed from payments that
// this user may not read. Their errors do not differ: both have the same code, and
// texts that portals translate. judge therefore lists them again.
func (s *Source) judge(ctx context.Context, chunk []listed, refused []pipeline.Reject, orders *owners, got *pipeline.Got[schemas.Payment]) error {
	items := make([]listed, 0, len(refused))
	for _, item := range chunk {
		if i := slices.IndexFunc(refused, func(r pipeline.Reject) bool { return r.ID == item.ID }); i >= 0 {
			item.Reject = &refused[i]
			items = append(items, item)
		}
	}
	there, sure, err := s.find.again(ctx, items)
	if err != nil {
		return fmt.Errorf("list %d payments again: %w", len(items), err)
	}
	var doubtful []listed // refused, but still listed
	for _, item := range items {
		r := *item.Reject
		switch _, ok := there[r.ID]; {
		case ok && plainRefusal(&r):
			got.Rejects = append(got.Rejects, r)
		case ok:
			doubtful = append(doubtful, item)
		case sure:
			got.Vanished = append(got.Vanished, r.ID)
		default:
			got.Unknown = append(got.Unknown, r)
		}
	}
	return s.getAgain(ctx, doubtful, orders, got)
}

// plainRefusal reports whether a refusal is unambiguous. Another text with the same
// code may come from a server in trouble.
func plainRefusal(r *pipeline.Reject) bool {
	return strings.EqualFold(r.Code, bitrix.CodeAccessDenied) || strings.EqualFold(r.Description, "Access denied") ||
		strings.EqualFold(r.Description, "Payment has not been found")
}

// getAgain fetches payments again that the portal still lists. A payment that it
// refuses again becomes a reject.
func (s *Source) getAgain(ctx context.Context, items []listed, orders *owners, got *pipeline.Got[schemas.Payment]) error {
	if len(items) == 0 {
		return nil
	}
	commands := make([]bitrix.Command, len(items))
	for i, item := range items {
		commands[i] = GetCommand(item.ID)
	}
	results, err := s.client.Batch(ctx, commands)
	if err != nil {
		return err
	}
	for i, item := range items {
		res := &results[i]
		if res.Err == nil {
			s.read(&items[i], res, orders, got)
			continue
		}
		r := *item.Reject
		r.Code, r.Description, r.Attempts, r.SeenAt = res.Err.Code, res.Err.Description, r.Attempts+int64(res.Attempts), s.stamp(res.At)
		got.Rejects = append(got.Rejects, r)
	}
	return nil
}

// getListed uses the listing's values, and adds the owners. It also fetches a sample,
// and the payments whose dates the listing does not show.
func (s *Source) getListed(ctx context.Context, chunk []listed) (got pipeline.Got[schemas.Payment], err error) {
	if s.find.sale != nil {
		var inexact []listed
		chunk, inexact = splitBy(chunk, func(item *listed) bool { return s.find.sale.clock.exact(&item.Row) })
		if len(inexact) > 0 {
			if got, err = s.getEach(ctx, inexact, s.ownersOf(inexact)); err != nil {
				return got, err
			}
		}
	}
	orders := s.ownersOf(chunk)
	commands := orders.commands()
	owned := len(commands)
	sampled := s.sample.pick(chunk, s.Total(), owned)
	known := s.probed(sampled)
	// These payments were compared when the dates were measured.
	sampled = slices.DeleteFunc(sampled, func(item listed) bool { _, ok := known[item.ID]; return ok })
	for _, item := range sampled {
		commands = append(commands, GetCommand(item.ID))
	}
	if len(commands) > 0 {
		results, err := s.client.Batch(ctx, commands)
		if err != nil {
			return got, err
		}
		if err := orders.take(ctx, s.client, results[:owned]); err != nil {
			return got, err
		}
		rejects, err := s.compare(ctx, sampled, results[owned:])
		if err != nil {
			return got, err
		}
		got.Rejects = append(got.Rejects, rejects...)
	}
	got.Rows = slices.Grow(got.Rows, len(chunk))
	for i := range chunk {
		if slices.ContainsFunc(got.Rejects, func(r pipeline.Reject) bool { return r.ID == chunk[i].ID }) {
			continue
		}
		got.Rows = append(got.Rows, chunk[i].Row)
		orders.fill(&got.Rows[len(got.Rows)-1])
	}
	return got, nil
}

// Same implements Same of pipeline.Table.
func (s *Source) Same(listed, last *schemas.Payment, mark uint64) bool {
	return s.find.same(listed, last, mark)
}

// Mark implements Mark of pipeline.Table. A finder that lists only ids has no mark.
func (s *Source) Mark(listed, got *schemas.Payment) uint64 {
	if s.find.method == "" {
		return 0
	}
	return schemas.Mark(listed, got)
}

// Fill implements Fill of pipeline.Table. Only sale.payment.list has values that a get
// lacks.
func (s *Source) Fill(listed, last *schemas.Payment, mark uint64) (schemas.Payment, bool) {
	if s.find.method != bitrix.MethodPaymentList {
		return schemas.Payment{}, false
	}
	return schemas.Fill(listed, last, s.fields, mark)
}

// Keep implements Keep of pipeline.Table. It keeps a known date of bill if the list
// cannot show it.
func (s *Source) Keep(listed, last *schemas.Payment) {
	if s.find.sale == nil || s.find.sale.clock == nil {
		return
	}
	if s.find.sale.clock.hides(listed.DateBill, last.DateBill) {
		listed.DateBill = last.DateBill
	}
}

// Differs implements Differs of pipeline.Table.
func (s *Source) Differs(listed, last *schemas.Payment) []string {
	return schemas.ListedChanges(listed, last, s.fields)
}

// Use implements pipeline.Source.
func (s *Source) Use() pipeline.PortalUse { return UseOf(s.client) }

// UseOf returns what a client has used of its portal so far.
func UseOf(client *bitrix.Client) pipeline.PortalUse {
	u := client.Use()
	return pipeline.PortalUse{
		Requests:       u.Requests,
		Commands:       u.Commands,
		Retries:        u.Retries,
		Refused:        u.Refused,
		BytesReceived:  u.BytesReceived,
		RateWaitS:      u.RateWait.Seconds(),
		OperatingWaitS: u.OperatingWait.Seconds(),
	}
}

// Limits returns the value of pipeline.Options.Limits.
func (s *Source) Limits() pipeline.Limits {
	g := s.client.Gauge()
	tight := g.Tightest()
	return pipeline.Limits{Rate: g.Rate, Operating: tight.Used.Seconds(), Budget: tight.Budget.Seconds()}
}

// Total implements pipeline.Source.
func (s *Source) Total() int64 { return s.find.total() }

// getCommands is the memory of the commands of one batch, which would be a fifth of all
// that a run allocates, with a map of parameters each.
type getCommands struct {
	gets []bitrix.Command // their maps are used again
	all  []bitrix.Command // of the batch
}

// of returns the commands that fetch a chunk's payments, except the known ones. They
// are valid until the next call.
func (g *getCommands) of(chunk []listed, known map[pipeline.PaymentID]bitrix.Result) []bitrix.Command {
	for len(g.gets) < len(chunk) {
		g.gets = append(g.gets, bitrix.Command{Method: bitrix.MethodItemPaymentGet, Params: bitrix.Params{}})
	}
	n := 0
	for i := range chunk {
		id := chunk[i].ID
		if _, ok := known[id]; !ok {
			g.gets[n].Key, g.gets[n].Params["id"] = "p"+id.String(), int64(id)
			n++
		}
	}
	clear(g.all)
	g.all = append(g.all[:0], g.gets[:n]...)
	return g.all
}

// with returns the commands of the last call of of, and more behind them.
func (g *getCommands) with(more []bitrix.Command) []bitrix.Command {
	g.all = append(g.all, more...)
	return g.all
}

// GetCommand returns the command that fetches one payment.
func GetCommand(id pipeline.PaymentID) bitrix.Command {
	return bitrix.Command{Key: "p" + id.String(), Method: bitrix.MethodItemPaymentGet, Params: bitrix.Params{"id": int64(id)}}
}

// codeBadValue is the code of a reject whose answer cannot be read.
const codeBadValue = "BAD_VALUE"

func badValue(id pipeline.PaymentID, stage string, err error, attempts int, at time.Time) *pipeline.Reject {
	r := &pipeline.Reject{ID: id, Stage: stage, Code: codeBadValue, Description: err.Error(), Attempts: int64(attempts), SeenAt: at}
	if field, ok := errors.AsType[*schemas.FieldError](err); ok {
		r.Raw = field.Raw
	}
	return r
}
