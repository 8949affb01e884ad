package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// listBareIDs is source.list: ids for a user who may not list payments. It is
// no value of a job file, but a meaning of its own for the fingerprint.
const listBareIDs jobfile.List = "ids, not listed"

// Found is how a portal's payments will be found.
type Found struct {
	finder finder
	// List is auto's choice, or what the job says; it is never auto.
	List jobfile.List
	// Why is what the manifest says of it.
	Why string
	// since is what tells changes apart; nil: the listing itself.
	since changes
	// Span is the part of the past that a backfill gets, in words.
	Span string
}

// Name is what the manifest calls it: a value of source.list.
func (f *Found) Name() string {
	if f.List == listBareIDs {
		return string(jobfile.ListIDs)
	}
	return string(f.List)
}

// Done is to be called when the snapshot of a run that found payments so is
// published. An error costs the next run some work, and nothing else.
func (f *Found) Done(ctx context.Context) error {
	if f.since == nil {
		return nil
	}
	return f.since.done(ctx)
}

// FindBy makes the finder that the job asks for; for auto, the one to begin
// with. For ids, the portal is asked whether this user may list payments.
func FindBy(ctx context.Context, spec *jobfile.Spec, client *bitrix.Client, how RowMaker, log *slog.Logger) (Found, error) {
	source := &spec.Source
	span, err := SpanOf(spec)
	if err != nil {
		return Found{}, err
	}
	sale := &listSale{client: client, RowMaker: how}
	byItem := &listItems{client: client, RowMaker: how, log: log, ordersToo: true}
	asked := Found{List: source.List, Why: "as the job says", Span: span, since: sinceBy(spec, client, sale, log)}
	rest := pipeline.Gone
	if spec.Mode == pipeline.Backfill {
		rest = pipeline.Outside
		if source.List != jobfile.ListIDs {
			if err := sale.within(ctx, &spec.Backfill); err != nil {
				return Found{}, err
			}
		}
	}
	switch source.List {
	case jobfile.ListSale:
		asked.finder = sale
	case jobfile.ListBindings:
		byItem.items = boundItems(client)
		asked.finder = byItem
		log.Info("payments of orders without a CRM item are out of sight for source.list: bindings")
	case jobfile.ListItems:
		byItem.items = typedItems(client, source.EntityTypes, log)
		refusal, err := probe(ctx, client, MethodOwners, "orderId")
		if err != nil {
			return Found{}, err
		}
		if refusal != nil {
			byItem.ordersToo = false
			log.Warn("the column order_id stays empty: this user may not read the bindings of orders", "error", refusal)
		}
		asked.finder = byItem
	case jobfile.ListIDs:
		ids := &givenIDs{IDsSpec: source.IDs, log: log}
		if err := ids.check(); err != nil {
			return Found{}, err
		}
		refusal, err := probe(ctx, client, MethodList, "id")
		if err != nil {
			return Found{}, err
		}
		asked.finder = &listIDs{listSale: sale, ids: ids, rest: rest}
		if refusal != nil {
			asked.finder, asked.List = &listBare{client: client, ids: ids, rest: rest}, listBareIDs
			asked.Why = "as the job says; the payments are got, not listed: " + Reason(refusal)
			log.Warn("the columns order_id, entity_type_id, entity_id and date_bill stay empty: this user may not list payments", "error", refusal)
		}
	default:
		// Whether it is allowed, the listing itself will tell.
		asked.finder, asked.List, asked.Why = sale, jobfile.ListSale, whySale
	}
	return asked, nil
}

// MayBeRights reports whether a run by sale.payment.list failed in a way that
// other rights explain.
func MayBeRights(err error) bool {
	if _, ok := errors.AsType[*pipeline.JobChangedError](err); ok {
		return true
	}
	e, ok := errors.AsType[*bitrix.Error](err)
	return ok && !errors.Is(err, bitrix.ErrPatience) && e.Method == MethodList && IsRefusal(e)
}

const whySale = "auto: one listing shows the whole portal"

// FindAuto asks the portal for the cheapest listing that is complete and allowed.
func FindAuto(ctx context.Context, spec *jobfile.Spec, client *bitrix.Client, how RowMaker, log *slog.Logger) (Found, error) {
	byItem := &listItems{client: client, RowMaker: how, log: log, ordersToo: true}
	refusal, err := probe(ctx, client, MethodList, "id")
	switch {
	case err != nil:
		return Found{}, err
	case refusal == nil:
		return FindBy(ctx, spec, client, how, log)
	case spec.Mode == pipeline.Backfill:
		return Found{}, fmt.Errorf("a backfill of what was billed or paid needs %s: %w", MethodList, refusal)
	case len(spec.Source.Fields) > 0:
		return Found{}, fmt.Errorf("source.fields needs %s: %w", MethodList, refusal)
	case spec.Mode == pipeline.Incremental && spec.Source.Since != jobfile.SinceList:
		return Found{}, fmt.Errorf("source.since: %s needs %s: %w", spec.Source.Since, MethodList, refusal)
	}
	other, err := probe(ctx, client, MethodOwners, "orderId")
	if err != nil {
		return Found{}, err
	}
	if other != nil {
		return Found{}, fmt.Errorf("find a way to list payments: %w; nor is there another way: %w", refusal, other)
	}
	byItem.items = boundItems(client)
	log.Warn("payments are listed by the CRM items of their orders: those of orders without one are out of sight, and date_bill stays empty",
		"why", Reason(refusal))
	return Found{finder: byItem, List: jobfile.ListBindings, Why: "auto: " + Reason(refusal)}, nil
}

// Reason is a refusal in a few words, for the manifest.
func Reason(refusal *bitrix.Error) string {
	return fmt.Sprintf("%s is refused (%s)", refusal.Method, refusal.Code)
}

// refusals are the codes of errors that say that a method is not for this user.
var refusals = []string{
	bitrix.CodeInsufficientScope, bitrix.CodeSaleAdminOnly, bitrix.CodeMethodNotFound, bitrix.CodeManifest,
	bitrix.CodeAccessDenied,
}

// probe asks whether a list method may be called. refusal is why not; err is of
// everything else.
func probe(ctx context.Context, client *bitrix.Client, method, idField string) (refusal *bitrix.Error, err error) {
	_, err = client.Call(ctx, method, bitrix.Params{
		"select": []string{idField},
		"order":  bitrix.Params{idField: "asc"},
		"filter": bitrix.Params{"=" + idField: 1},
		"start":  0,
	})
	e, ok := errors.AsType[*bitrix.Error](err)
	if !ok || errors.Is(err, bitrix.ErrPatience) {
		return nil, err
	}
	if !IsRefusal(e) {
		return nil, err
	}
	return e, nil
}

// IsRefusal reports whether an error says that a method is not for this user,
// rather than that nothing is.
func IsRefusal(e *bitrix.Error) bool {
	planless := strings.EqualFold(e.Code, bitrix.CodeAccessDenied) && e.Class() == bitrix.Stop
	return !planless && slices.ContainsFunc(refusals, func(code string) bool { return strings.EqualFold(code, e.Code) })
}
