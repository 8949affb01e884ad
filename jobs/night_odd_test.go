package jobs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// oddNights is how many nights all portals of TestOddNights go through together.
const oddNights = 300

// passing are the answers that a portal returns at one request, or call, in 200.
var passing = []bitrixtest.Fault{
	{Kind: bitrixtest.FaultResult, Method: "sale.payment.list", Result: `null`},
	{Kind: bitrixtest.FaultResult, Method: "sale.payment.list", Result: `[]`},
	{Kind: bitrixtest.FaultResult, Method: "sale.payment.list", Result: `{"payments":false}`},
	{Kind: bitrixtest.FaultResult, Method: "crm.orderentity.list", Result: `{"orderEntity":{}}`},
	{Kind: bitrixtest.FaultCommand, Code: "ERROR_CORE", Description: "SQL query error!"},
	{Kind: bitrixtest.FaultCommand, Method: "crm.item.payment.get", Code: "0", Description: "error"},
	{Kind: bitrixtest.FaultHTML},
	{Kind: bitrixtest.FaultHalfJSON},
	{Kind: bitrixtest.FaultBOM},
	{Kind: bitrixtest.FaultWarning},
}

// lasting are what a portal is like in all of its nights.
var lasting = map[string]func(*bitrixtest.Options){
	"plain":           func(*bitrixtest.Options) {},
	"odd spellings":   func(o *bitrixtest.Options) { o.Odd = true },
	"slow counts":     func(o *bitrixtest.Options) { o.Server.CountCost = 800 * time.Millisecond },
	"bindings whole":  func(o *bitrixtest.Options) { o.BindingsAtOnce = true },
	"errors with 200": func(o *bitrixtest.Options) { o.Errors200 = true },
	"text references": func(o *bitrixtest.Options) { o.Unresolved = bitrixtest.UnresolvedText },
}

// Night after night payments change, and the portal answers oddly now and then.
// After each night the table is the portal's, or the exit code says that it is not,
// and the table is the one before.
func TestOddNights(t *testing.T) {
	for name, trait := range lasting {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bitrixtest.Options{Seed: 9, Payments: 150, AllowRegets: true, Strict: t}
				trait(&o)
				portal := bitrixtest.New(o)
				e := newBubbleJob(t, portal, "patience: 5m\nrejects: {max: 20%}")
				dice := rand.New(rand.NewPCG(11, uint64(len(name))))
				before := map[int64]schemas.Payment{}
				failed := 0
				for night := range oddNights / len(lasting) {
					portal.Mutate(dice.IntN(12), uint64(night))
					faults := make([]bitrixtest.Fault, len(passing))
					for i, f := range passing {
						f.Share = 1.0 / 200
						faults[i] = f
					}
					portal.Adjust(func(o *bitrixtest.Options) { o.Faults = faults })
					out := jobs.Run(t.Context(), e.spec, e.opts)[0]
					want := before
					if out.Exit == jobs.ExitComplete || out.Exit == jobs.ExitRejects {
						want = map[int64]schemas.Payment{}
						for p := range portal.All() {
							want[p.ID] = wantRow(t, p)
						}
					} else {
						failed++
					}
					if failed > 0 && len(before) == 0 && out.Summary.Manifest == nil {
						continue // there is no table yet
					}
					got := e.table(t, "payments/portal=acme/payments.parquet")
					if out.Exit == jobs.ExitRejects {
						for id := range got {
							if _, ok := want[id]; !ok {
								t.Errorf("payment %d is in the table, and not on the portal", id)
							}
						}
					} else if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("night %d, exit %d (%v): table (-want +got):\n%.2000s", night, out.Exit, out.Err, diff)
					}
					before = got
					time.Sleep(24 * time.Hour)
				}
				if failed > 5 {
					t.Error(fmt.Sprint(failed, " nights failed"))
				}
				if portal.Stats().Faults == 0 {
					t.Error("nothing was odd")
				}
			})
		})
	}
}
