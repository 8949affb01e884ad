package source

import (
	"fmt"
	"slices"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// Way describes how a run finds payments.
type Way struct {
	// List is the value of source.list that the run uses. It is never auto.
	List jobfile.List
	// Bare is true if the run fetches the given ids without a list of payments, because
	// the portal refuses that list.
	Bare bool
	// Why is the reason for the choice, for the manifest.
	Why string
	// Lacks is one sentence that describes what the table lacks; "" if nothing.
	Lacks string
	// Empty names the columns that stay empty.
	Empty []string

	// refusal is why no way that lacks less is used; nil if the job names this one.
	refusal   *bitrix.Error
	ordersToo bool // with List items: the portal shows the orders of items
}

// Refusals are the portal's refusals of the list methods. Nil means that the portal
// allows the method, or that it was not called.
type Refusals struct {
	Payments *bitrix.Error // of bitrix.MethodPaymentList
	Owners   *bitrix.Error // of bitrix.MethodOrderEntityList
}

// Choose decides how a run of a job finds payments on a portal that refuses these
// methods. Run, check and plan use it. If there is no way, the error says why and wraps
// the refusals.
func Choose(spec *jobfile.Spec, refused Refusals) (Way, error) {
	way := Way{List: spec.Source.List, Why: "as the job says", ordersToo: refused.Owners == nil}
	switch spec.Source.List {
	case jobfile.ListSale:
		if refused.Payments != nil {
			return Way{}, refused.Payments
		}
		return way, nil
	case jobfile.ListBindings:
		if refused.Owners != nil {
			return Way{}, refused.Owners
		}
		way.Lacks, way.Empty = lacksBound, emptyByItem
		return way, nil
	case jobfile.ListItems:
		way.Empty = emptyByItem
		if OtherTypes(spec.Source.EntityTypes) {
			way.Why += "; the portal may show no payments of CRM types other than 2 and 31, without an error"
		}
		way.Lacks = "payments are found by owners: date_bill stays empty"
		if !way.ordersToo {
			way.Lacks += ", and order_id too, because " + Reason(refused.Owners)
			way.Empty, way.refusal = emptyByItemAlone, refused.Owners
		}
		return way, nil
	case jobfile.ListIDs:
		if refused.Payments != nil {
			way.Bare = true
			way.Empty, way.refusal = emptyBare, refused.Payments
			way.Why += "; the payments are got, not listed: " + Reason(refused.Payments)
			way.Lacks = "the given payments are got without being listed: order_id, entity_type_id, entity_id and date_bill stay empty"
		}
		return way, nil
	case jobfile.ListAuto:
		return way.auto(spec, refused)
	}
	return Way{}, fmt.Errorf("source.list: %s: no way to find payments has this name", spec.Source.List)
}

const lacksBound = "payments are found by owners: those of orders without one are out of sight, and date_bill stays empty"

// OtherTypes reports whether a listing of these CRM types asks for types other than
// deals and smart invoices. No types means all. The documentation of
// crm.item.payment.list (2026) supports only those two; for other types the method
// returns an empty list.
func OtherTypes(types []int64) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(t int64) bool { return t != dealType && t != invoiceType })
}

// auto chooses the cheapest listing that is complete and allowed.
func (way Way) auto(spec *jobfile.Spec, refused Refusals) (Way, error) {
	refusal := refused.Payments
	switch {
	case refusal == nil:
		way.List, way.Why = jobfile.ListSale, "auto: one listing shows the whole portal"
		return way, nil
	case spec.Mode == pipeline.Backfill:
		return Way{}, fmt.Errorf("a backfill of what was billed or paid needs %s: %w", bitrix.MethodPaymentList, refusal)
	case len(spec.Source.Fields) > 0:
		return Way{}, fmt.Errorf("source.fields needs %s: %w", bitrix.MethodPaymentList, refusal)
	case spec.Mode == pipeline.Incremental && spec.Source.Since != jobfile.SinceList:
		return Way{}, fmt.Errorf("source.since: %s needs %s: %w", spec.Source.Since, bitrix.MethodPaymentList, refusal)
	case refused.Owners != nil:
		return Way{}, fmt.Errorf("find a way to list payments: %w; no other way works either: %w", refusal, refused.Owners)
	}
	way.List, way.Why, way.Lacks = jobfile.ListBindings, "auto: "+Reason(refusal), lacksBound
	way.Empty, way.refusal = emptyByItem, refusal
	return way, nil
}

// Meaning returns what the way contributes to the job's fingerprint: a value of
// source.list or, for a Way that is Bare, a value that no job file has.
func (way *Way) Meaning() jobfile.List {
	if way.Bare {
		return "ids, not listed"
	}
	return way.List
}
