package source

import (
	"fmt"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// The columns that each way of finding payments leaves empty, in the table's order. A
// listing of the whole portal leaves none empty.
var (
	// emptyByItem: for a listing by owners. An owner of several orders does not show
	// the payment's order either.
	emptyByItem = []string{"date_bill", "returned", "responsible_id"}
	// emptyByItemAlone: the same, if the orders of owners cannot be listed.
	emptyByItemAlone = []string{"order_id", "date_bill", "returned", "responsible_id"}
	// emptyBare: for given ids that are fetched but not listed.
	emptyBare = []string{"order_id", "entity_type_id", "entity_id", "date_bill", "returned", "responsible_id"}
)

// LessError is returned if a run would have to find payments in a way that shows less
// than the way of the newest snapshot: a right, a scope or a method is missing now. The
// run would empty columns, and delete the payments that this way does not show.
type LessError struct {
	// Was is how the newest snapshot's payments were found, Now is how this run would
	// find them. Both are values of source.list.
	Was, Now string
	// Lacks names the columns that would become empty.
	Lacks []string
	// Refusal is the portal's error. Its class is Stop or Reject.
	Refusal *bitrix.Error
}

func (e *LessError) Error() string {
	return fmt.Sprintf("the newest snapshot was listed by %s; now %v, and %s sees less (it empties %s): nothing was changed",
		e.Was, e.Refusal, e.Now, strings.Join(e.Lacks, ", "))
}

func (e *LessError) Unwrap() error { return e.Refusal }

// Less returns a *LessError if this way shows less than the way of the newest snapshot
// did, and neither the job nor its mode allows that: a portal's refusal alone must not
// empty columns. last is the manifest of that snapshot, nil if there is none.
func (way *Way) Less(spec *jobfile.Spec, last *pipeline.Manifest) error {
	if way.refusal == nil || last == nil {
		return nil
	}
	if spec.Mode == pipeline.Full && spec.Source.List != jobfile.ListAuto {
		return nil // the job requests that everything is fetched again
	}
	had := emptyOf(last)
	lost := slices.DeleteFunc(slices.Clone(way.Empty), func(name string) bool { return slices.Contains(had, name) })
	if len(lost) == 0 {
		return nil
	}
	return &LessError{Was: last.Source, Now: string(way.List), Lacks: lost, Refusal: way.refusal}
}

// emptyOf returns the columns that a snapshot's listing left empty. Manifests of older
// programs do not contain them. For those, emptyOf returns all columns that the way of
// listing may leave empty.
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
