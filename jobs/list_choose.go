package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/pipeline"
)

// listBareIDs is source.list: ids for a user who may not list payments. It is
// no value of a job file, but a meaning of its own for the fingerprint.
const listBareIDs List = "ids, not listed"

// found is how a portal's payments will be found.
type found struct {
	finder finder
	// list is auto's choice, or what the job says; it is never auto.
	list List
	// why is what the manifest says of it.
	why string
	// since is what tells changes apart; nil: the listing itself.
	since changes
	// span is the part of the past that a backfill gets, in words.
	span string
}

// name is what the manifest calls it: a value of source.list.
func (f *found) name() string {
	if f.list == listBareIDs {
		return string(ListIDs)
	}
	return string(f.list)
}

// findBy makes the finder that the job asks for; for auto, the one to begin
// with. For ids, the portal is asked whether this user may list payments.
func findBy(ctx context.Context, spec *Spec, client *bitrix.Client, how rowMaker, log *slog.Logger) (found, error) {
	source := &spec.Source
	sale := &listSale{client: client, rowMaker: how}
	byItem := &listItems{client: client, rowMaker: how, log: log, ordersToo: true}
	asked := found{list: source.List, why: "as the job says", since: sinceBy(spec, client, sale, log)}
	rest := pipeline.Gone
	if spec.Mode == pipeline.Backfill {
		rest = pipeline.Outside
		if source.List != ListIDs {
			if err := sale.within(ctx, &spec.Backfill); err != nil {
				return found{}, err
			}
			asked.span = spec.Backfill.String()
		}
	}
	switch source.List {
	case ListSale:
		asked.finder = sale
	case ListBindings:
		byItem.items = boundItems(client)
		asked.finder = byItem
		log.Info("payments of orders without a CRM item are out of sight for source.list: bindings")
	case ListItems:
		byItem.items = typedItems(client, source.EntityTypes, log)
		refusal, err := probe(ctx, client, methodOwners, "orderId")
		if err != nil {
			return found{}, err
		}
		if refusal != nil {
			byItem.ordersToo = false
			log.Warn("the column order_id stays empty: this user may not read the bindings of orders", "error", refusal)
		}
		asked.finder = byItem
	case ListIDs:
		ids := &givenIDs{IDsSpec: source.IDs, log: log}
		if err := ids.check(); err != nil {
			return found{}, err
		}
		refusal, err := probe(ctx, client, methodList, "id")
		if err != nil {
			return found{}, err
		}
		if spec.Mode == pipeline.Backfill {
			asked.span = ids.String()
		}
		asked.finder = &listIDs{listSale: sale, ids: ids, rest: rest}
		if refusal != nil {
			asked.finder, asked.list = &listBare{client: client, ids: ids, rest: rest}, listBareIDs
			asked.why = "as the job says; the payments are got, not listed: " + reason(refusal)
			log.Warn("the columns order_id, entity_type_id, entity_id and date_bill stay empty: this user may not list payments", "error", refusal)
		}
	default:
		// Whether it is allowed, the listing itself will tell.
		asked.finder, asked.list, asked.why = sale, ListSale, whySale
	}
	return asked, nil
}

// mayBeRights reports whether a run by sale.payment.list failed in a way that
// other rights explain.
func mayBeRights(err error) bool {
	if is[*pipeline.JobChangedError](err) {
		return true
	}
	e, ok := errors.AsType[*bitrix.Error](err)
	return ok && !errors.Is(err, bitrix.ErrPatience) && e.Method == methodList && isRefusal(e)
}

const whySale = "auto: one listing shows the whole portal"

// findAuto asks the portal for the cheapest listing that is complete and allowed.
func findAuto(ctx context.Context, spec *Spec, client *bitrix.Client, how rowMaker, log *slog.Logger) (found, error) {
	byItem := &listItems{client: client, rowMaker: how, log: log, ordersToo: true}
	refusal, err := probe(ctx, client, methodList, "id")
	switch {
	case err != nil:
		return found{}, err
	case refusal == nil:
		return findBy(ctx, spec, client, how, log)
	case spec.Mode == pipeline.Backfill:
		return found{}, fmt.Errorf("a backfill of what was billed or paid needs %s: %w", methodList, refusal)
	case len(spec.Source.Fields) > 0:
		return found{}, fmt.Errorf("source.fields needs %s: %w", methodList, refusal)
	case spec.Mode == pipeline.Incremental && spec.Source.Since != SinceList:
		return found{}, fmt.Errorf("source.since: %s needs %s: %w", spec.Source.Since, methodList, refusal)
	}
	other, err := probe(ctx, client, methodOwners, "orderId")
	if err != nil {
		return found{}, err
	}
	if other != nil {
		return found{}, fmt.Errorf("find a way to list payments: %w; nor is there another way: %w", refusal, other)
	}
	byItem.items = boundItems(client)
	log.Warn("payments are listed by the CRM items of their orders: those of orders without one are out of sight, and date_bill stays empty",
		"why", reason(refusal))
	return found{finder: byItem, list: ListBindings, why: "auto: " + reason(refusal)}, nil
}

// reason is a refusal in a few words, for the manifest.
func reason(refusal *bitrix.Error) string {
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
	if !isRefusal(e) {
		return nil, err
	}
	return e, nil
}

// isRefusal reports whether an error says that a method is not for this user,
// rather than that nothing is.
func isRefusal(e *bitrix.Error) bool {
	planless := strings.EqualFold(e.Code, bitrix.CodeAccessDenied) && e.Class() == bitrix.Stop
	return !planless && slices.ContainsFunc(refusals, func(code string) bool { return strings.EqualFold(code, e.Code) })
}
