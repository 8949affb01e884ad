package source

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// listSale lists the whole portal by id with sale.payment.list, which shows the order
// and the date of bill as well as the values.
type listSale struct {
	client *bitrix.Client
	rowMaker
	// filter is a further condition on payments, or nil. absence then says what it
	// means if a payment is not listed; nil means that the payment is gone.
	filter  bitrix.Params
	absence func(id pipeline.PaymentID, last *schemas.Payment) pipeline.Absence
	// days are the days of a backfill; nil means every day.
	days    *days
	counted atomic.Int64
	// beside is Beside of the listing. It is set if the run fetches every payment.
	beside time.Duration
	// zone is the server's zone if the job names it, else nil.
	zone *time.Location
	log  *slog.Logger
	// measured is the clock, once it is measured. probed are the gets that measured it
	// and that no row was made from yet.
	mu       sync.Mutex
	measured atomic.Pointer[listClock]
	probed   map[pipeline.PaymentID]bitrix.Result
}

const (
	// slowAnswer is the time of an answer from which the first pages of a listing have
	// too few payments to keep the rate busy. Usual answers are faster, and cost no
	// further request.
	slowAnswer = 1500 * time.Millisecond
	// atOnce is for a portal whose last snapshot fills a full chain. The chain then
	// costs no further request, and one request more at the start keeps the portal's
	// counter from falling to zero before the first answer. What falls after that is
	// lost.
	atOnce = time.Nanosecond
)

const (
	// blockPages is how many pages share one array. The run copies the payments of a chunk
	// that begins in one array and ends in another.
	blockPages = 10
	// longPage is the size in bytes above which a page has an array of its own: an array
	// and its texts may stay in memory until its last chunk is fetched.
	longPage = 64 << 10
)

// pageOf returns memory for a page: the start of block, or of a new one. rest is what is
// left for the next pages.
func pageOf(block []listed, items [][]byte) (page, rest []listed) {
	size, n := 0, len(items)
	for _, raw := range items {
		size += len(raw)
	}
	if size > longPage {
		return make([]listed, n), block
	}
	if len(block) < n {
		block = make([]listed, max(n, blockPages*bitrix.PageSize))
	}
	return block[:n], block[n:]
}

func (l *listSale) finder() finder {
	return finder{
		list: l.list, again: l.again, total: l.counted.Load, absent: l.absent, same: l.same,
		method: bitrix.MethodPaymentList, sale: l,
	}
}

// measure finds out how the list shows dates, once per run. It is called before any row
// is made from the listing.
func (l *listSale) measure(ctx context.Context) error {
	if l.measured.Load() != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.measured.Load() != nil {
		return nil
	}
	clock, probed, err := measureClock(ctx, l.client, l.zone)
	if err != nil {
		return err
	}
	clock.logLimits(l.log)
	if l.days != nil {
		l.days.ready(clock, l.zone)
		if err := l.days.prove(ctx, l.client); err != nil {
			return err
		}
	}
	l.clock, l.probed = clock, probed
	l.measured.Store(clock)
	return nil
}

// probes returns measure's gets of the payments of a chunk. It returns each get once.
func (l *listSale) probes(chunk []listed) map[int]bitrix.Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.probed) == 0 {
		return nil
	}
	probes := make(map[int]bitrix.Result) // by the index in chunk
	for i := range chunk {
		if res, ok := l.probed[chunk[i].ID]; ok {
			probes[i] = res
			delete(l.probed, chunk[i].ID)
		}
	}
	return probes
}

func (l *listSale) list(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		measured := make(chan struct{})
		var measureErr error
		// The goroutine owns measureErr until it closes measured. It measures while the
		// first pages are requested, and ends with ctx.
		go func() {
			measureErr = l.measure(ctx)
			close(measured)
		}()
		defer func() {
			cancel()
			<-measured
		}()
		listing := paymentListing(l.fields, l.filter)
		listing.Garbled = true
		if after == 0 {
			listing.Beside = l.beside
		}
		var block []listed // for the next pages
		for page, err := range l.client.Pages(ctx, listing, int64(after)) {
			if err == nil {
				<-measured
				err = measureErr
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if page.Total >= 0 {
				l.counted.Store(page.Total)
			}
			var items []listed
			items, block = pageOf(block, page.Items)
			for i, raw := range page.Items {
				items[i] = l.listedOr(page.Garbled[page.IDs[i]], raw, pipeline.PaymentID(page.IDs[i]), page.At)
			}
			if l.days != nil {
				if items, err = l.days.only(items, &page); err != nil {
					yield(nil, err)
					return
				}
			}
			l.clock.count(items)
			if !yield(items, nil) {
				return
			}
		}
		// An empty listing is accepted only if the measurement succeeded.
		if <-measured; measureErr != nil {
			yield(nil, measureErr)
			return
		}
		if l.days != nil {
			l.days.logLimits(l.log)
		}
	}
}

func (l *listSale) again(ctx context.Context, items []listed) (there map[pipeline.PaymentID]schemas.Payment, sure bool, err error) {
	ids := make([]int64, len(items))
	for i, item := range items {
		ids[i] = int64(item.ID)
	}
	found, err := l.byID(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	rows := make(map[pipeline.PaymentID]schemas.Payment, len(found))
	for _, item := range found {
		// The payment exists, also if its row cannot be read.
		rows[item.ID] = item.Row
	}
	return rows, true, nil
}

// idsARequest is how many payments one request lists by their ids.
const idsARequest = bitrix.PageSize * bitrix.MaxCommands

// byID lists the payments that exist of at most idsARequest ids, in no defined order.
func (l *listSale) byID(ctx context.Context, ids []int64) ([]listed, error) {
	if err := l.measure(ctx); err != nil {
		return nil, err
	}
	filter := paymentsByID(schemas.ListFields(l.fields))
	elements, err := filter.each(ctx, l.client, l.casting, ids)
	if err != nil {
		return nil, fmt.Errorf("list payments %d to %d: %w", ids[0], ids[len(ids)-1], err)
	}
	found := make([]listed, len(elements))
	for i, e := range elements {
		found[i] = l.listedOr(e.err, e.raw, pipeline.PaymentID(e.number), e.at)
	}
	return found, nil
}

// eachByID yields payments by their ids in ascending order. It yields payments that do
// not exist as missing. It reports whether to continue.
func (l *listSale) eachByID(ctx context.Context, ids []int64, yield func([]listed, error) bool) bool {
	found, err := l.byID(ctx, ids)
	if err != nil {
		return yield(nil, err)
	}
	there := make(map[pipeline.PaymentID]listed, len(found))
	for _, item := range found {
		there[item.ID] = item
	}
	page := make([]listed, len(ids))
	for i, id := range ids {
		item, ok := there[pipeline.PaymentID(id)]
		if !ok {
			item = listed{ID: pipeline.PaymentID(id), Missing: true}
		}
		page[i] = item
	}
	l.clock.count(page)
	return yield(page, nil)
}

func (l *listSale) absent(id pipeline.PaymentID, last *schemas.Payment) pipeline.Absence {
	if l.absence == nil {
		return pipeline.Gone
	}
	return l.absence(id, last)
}

func (l *listSale) same(listed, last *schemas.Payment, mark uint64) bool {
	return schemas.SameMarked(listed, last, l.fields, mark)
}
