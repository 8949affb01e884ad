package jobfile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
)

func TestEffectiveLimits(t *testing.T) {
	const operating, window = 480 * time.Second, 10 * time.Minute
	tests := []struct {
		name   string
		plan   Plan
		limits LimitsSpec
		want   bitrix.Limits
	}{
		{"standard", PlanStandard, LimitsSpec{}, bitrix.Limits{Rate: 2, Burst: 50, Operating: operating, Window: window}},
		{"enterprise", PlanEnterprise, LimitsSpec{}, bitrix.Limits{Rate: 5, Burst: 250, Operating: operating, Window: window}},
		{"unlimited", PlanUnlimited, LimitsSpec{}, bitrix.Limits{}},
		{"rate on top", PlanStandard, LimitsSpec{Rate: new(1.5)}, bitrix.Limits{Rate: 1.5, Burst: 50, Operating: operating, Window: window}},
		{"burst on top", PlanEnterprise, LimitsSpec{Burst: new(9)}, bitrix.Limits{Rate: 5, Burst: 9, Operating: operating, Window: window}},
		{"rate lifted", PlanStandard, LimitsSpec{Rate: new(0.0)}, bitrix.Limits{Operating: operating, Window: window}},
		{"burst lifted", PlanStandard, LimitsSpec{Burst: new(0)}, bitrix.Limits{Operating: operating, Window: window}},
		{"rate on top of none", PlanUnlimited, LimitsSpec{Rate: new(3.0)}, bitrix.Limits{Rate: 3, Burst: 50}},
		{"rate and burst on top of none", PlanUnlimited, LimitsSpec{Rate: new(3.0), Burst: new(1)}, bitrix.Limits{Rate: 3, Burst: 1}},
		{"budget lifted", PlanStandard, LimitsSpec{Operating: new(time.Duration(0))}, bitrix.Limits{Rate: 2, Burst: 50}},
		{"budget on top of none", PlanUnlimited, LimitsSpec{Operating: new(time.Minute)}, bitrix.Limits{Operating: time.Minute, Window: window}},
		{"fast motion", PlanStandard, LimitsSpec{Operating: new(8 * time.Second), OperatingWindow: new(10 * time.Second)}, bitrix.Limits{Rate: 2, Burst: 50, Operating: 8 * time.Second, Window: 10 * time.Second}},
		{"share and concurrency", PlanUnlimited, LimitsSpec{Share: 0.5, Concurrency: 3}, bitrix.Limits{Share: 0.5, Concurrency: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := PortalSpec{Plan: tt.plan, Limits: tt.limits}
			if diff := cmp.Diff(tt.want, p.EffectiveLimits()); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
		})
	}
}
