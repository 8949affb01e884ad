package source

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// Every way to find payments, for every answer of the portal. Run, check and plan
// follow this table.
func TestChoose(t *testing.T) {
	payments := &bitrix.Error{Method: bitrix.MethodPaymentList, Code: bitrix.CodeAccessDenied}
	owners := &bitrix.Error{Method: bitrix.MethodOrderEntityList, Code: bitrix.CodeAccessDenied}
	none, noPayments, noOwners, neither := Refusals{}, Refusals{Payments: payments}, Refusals{Owners: owners}, Refusals{payments, owners}
	way := func(list jobfile.List, lacks bool) *Way {
		return &Way{List: list, Lacks: map[bool]string{true: "something"}[lacks]}
	}
	for _, tt := range []struct {
		name    string
		spec    jobfile.Spec
		refused Refusals
		want    *Way // nil if there is none
	}{
		{"sale", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListSale}}, none, way(jobfile.ListSale, false)},
		{"sale, refused", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListSale}}, noPayments, nil},
		{"sale, other method refused", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListSale}}, noOwners, way(jobfile.ListSale, false)},
		{"bindings", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListBindings}}, noPayments, way(jobfile.ListBindings, true)},
		{"bindings, refused", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListBindings}}, noOwners, nil},
		{"items", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListItems}}, none, way(jobfile.ListItems, true)},
		{"items without orders", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListItems}}, neither, way(jobfile.ListItems, true)},
		{"ids", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListIDs}}, noOwners, way(jobfile.ListIDs, false)},
		{"ids, not listed", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListIDs}}, noPayments, &Way{List: jobfile.ListIDs, Bare: true, Lacks: "something"}},
		{"auto", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListAuto}}, noOwners, way(jobfile.ListSale, false)},
		{"auto, refused", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListAuto}}, noPayments, way(jobfile.ListBindings, true)},
		{"auto, neither", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListAuto}}, neither, nil},
		{"auto, backfill", jobfile.Spec{Mode: pipeline.Backfill, Source: jobfile.SourceSpec{List: jobfile.ListAuto}}, noPayments, nil},
		{"auto, fields", jobfile.Spec{Source: jobfile.SourceSpec{List: jobfile.ListAuto, Fields: []string{"comments"}}}, noPayments, nil},
		{"auto, since orders", jobfile.Spec{Mode: pipeline.Incremental, Source: jobfile.SourceSpec{List: jobfile.ListAuto, Since: jobfile.SinceOrders}}, noPayments, nil},
		{"auto, since orders, everything", jobfile.Spec{Mode: pipeline.Full, Source: jobfile.SourceSpec{List: jobfile.ListAuto, Since: jobfile.SinceOrders}}, noPayments, way(jobfile.ListBindings, true)},
		{"of no name", jobfile.Spec{Source: jobfile.SourceSpec{List: "orders"}}, none, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Choose(&tt.spec, tt.refused)
			if tt.want == nil {
				if err == nil {
					t.Fatalf("got %+v, want an error", got)
				}
				if e, refused := errors.AsType[*bitrix.Error](err); tt.refused != none && (!refused || e != tt.refused.Payments && e != tt.refused.Owners) {
					t.Errorf("the error %v wraps no refusal", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			lacks := Way{List: got.List, Bare: got.Bare}
			if got.Lacks != "" {
				lacks.Lacks = "something"
			}
			if diff := cmp.Diff(*tt.want, lacks, cmp.AllowUnexported(Way{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Why == "" || got.ordersToo != (tt.refused.Owners == nil) {
				t.Errorf("why %q, orders too: %t", got.Why, got.ordersToo)
			}
		})
	}
}

// An unknown strategy is an error, and never another strategy.
func TestUnknownStrategiesAreErrors(t *testing.T) {
	for _, spec := range []jobfile.Spec{
		{Mode: pipeline.Full, Source: jobfile.SourceSpec{List: "orders"}},
		{Mode: pipeline.Incremental, Source: jobfile.SourceSpec{List: jobfile.ListSale, Since: "webhooks"}},
	} {
		j := job{spec: &spec}
		if f, err := j.find(&part{sale: &listSale{}}, Refusals{}); err == nil {
			t.Errorf("list %s, since %s: got a way to find payments: %+v", spec.Source.List, spec.Source.Since, f.Way)
		}
	}
}
