package jobfile

import (
	"time"

	"b24export/bitrix"
)

// Plan is a commercial plan of the portal. It determines its limits.
type Plan string

// The plans. The vendor documents their numbers.
const (
	PlanStandard   Plan = "standard"
	PlanEnterprise Plan = "enterprise"
	PlanUnlimited  Plan = "unlimited" // self-hosted without limits
)

// plans are the limits by plan. The operating budget is the documented one of the
// cloud.
var plans = map[Plan]bitrix.Limits{
	PlanStandard:   {Rate: 2, Burst: 50, Operating: 480 * time.Second, Window: 10 * time.Minute},
	PlanEnterprise: {Rate: 5, Burst: 250, Operating: 480 * time.Second, Window: 10 * time.Minute},
	PlanUnlimited:  {Window: 10 * time.Minute},
}

// EffectiveLimits returns the plan's limits, replaced by those of the job if it has
// some. A rate of 0 or a burst of 0 removes both, because one alone is no limit. A
// job's rate with a plan without limits has the standard plan's burst. Without a budget
// there is no window.
func (p *PortalSpec) EffectiveLimits() bitrix.Limits {
	l := plans[p.Plan]
	if v := p.Limits.Rate; v != nil {
		l.Rate = *v
	}
	if v := p.Limits.Burst; v != nil {
		l.Burst = *v
	} else if l.Rate > 0 && l.Burst == 0 {
		l.Burst = plans[PlanStandard].Burst
	}
	if l.Rate == 0 || l.Burst == 0 {
		l.Rate, l.Burst = 0, 0
	}
	if v := p.Limits.Operating; v != nil {
		l.Operating = *v
	}
	if v := p.Limits.OperatingWindow; v != nil {
		l.Window = *v
	}
	if l.Operating == 0 {
		l.Window = 0
	}
	l.Share, l.Concurrency = p.Limits.Share, p.Limits.Concurrency
	return l
}
