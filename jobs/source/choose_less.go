package source

import (
	"fmt"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// The columns that a way of finding payments leaves empty, in the table's order.
// A listing of the whole portal leaves none.
var (
	// emptyByItem: the payments of CRM items. An item of several orders does not
	// show the payment's order either.
	emptyByItem = []string{"date_bill", "returned", "responsible_id"}
	// emptyByItemAlone: the same, without the bindings of orders.
	emptyByItemAlone = []string{"order_id", "date_bill", "returned", "responsible_id"}
	// emptyBare: given ids that are got and not listed.
	emptyBare = []string{"order_id", "entity_type_id", "entity_id", "date_bill", "returned", "responsible_id"}
)

// LessError says that a run would have to find payments in a way that sees less
// than the newest snapshot's did: a right, a scope or a method is gone. It would
// empty columns, and delete the payments that this way does not see.
type LessError struct {
	// Was is how the newest snapshot's payments were found, Now how this run's would
	// be: values of source.list.
	Was, Now string
	// Lacks names the columns that would become empty.
	Lacks []string
	// Refusal is the portal's reason; its class is Stop or Reject.
	Refusal *bitrix.Error
}

func (e *LessError) Error() string {
	return fmt.Sprintf("the newest snapshot was listed by %s; now %v, and %s sees less (it empties %s): nothing was changed",
		e.Was, e.Refusal, e.Now, strings.Join(e.Lacks, ", "))
}

func (e *LessError) Unwrap() error { return e.Refusal }

// Less returns a *LessError if a run that finds payments so would see less than the
// newest snapshot's did, and neither the job nor its mode says that they may: a
// portal's refusal must not empty columns by itself. last is that snapshot's
// manifest, nil if there is none.
func (way *Way) Less(spec *jobfile.Spec, last *pipeline.Manifest) error {
	if way.refusal == nil || last == nil {
		return nil
	}
	if spec.Mode == pipeline.Full && spec.Source.List != jobfile.ListAuto {
		return nil // everything is fetched again because the job says so
	}
	had := emptyOf(last)
	lost := slices.DeleteFunc(slices.Clone(way.Empty), func(name string) bool { return slices.Contains(had, name) })
	if len(lost) == 0 {
		return nil
	}
	return &LessError{Was: last.Source, Now: string(way.List), Lacks: lost, Refusal: way.refusal}
}

// emptyOf returns the columns that a snapshot's listing left empty. Manifests of
// older programs do not say so: for them, what its way leaves empty at most.
func emptyOf(m *pipeline.Manifest) []string {
	if m.SourceLacks != nil {
		return m.SourceLacks
	}
	switch jobfile.List(m.Source) {
	case jobfile.ListBindings:
		return emptyByItem
	case jobfile.ListItems:
		return emptyByItemAlone
	case jobfile.ListIDs:
		return emptyBare
	case jobfile.ListAuto, jobfile.ListSale:
	}
	return nil
}
