package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/sinks"
)

const allRelated = "source: {related: [orders, owners, stages, companies, contacts, users, pay_systems]}"

var everyScope = bitrixtest.Rights{Scopes: []string{"crm", "sale", "user", "pay_system"}}

// related reads the named columns of a related table as lines of text.
func (e *runJob) related(t *testing.T, table string, columns ...string) []string {
	t.Helper()
	path := filepath.Join(e.folder, "payments_"+table, "portal=acme", table+".parquet")
	rows, err := parquet.ReadFile[any](path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no rows, no file
	}
	if err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	var lines []string
	for _, row := range rows {
		fields := row.(map[string]any)
		var line []string
		for _, name := range columns {
			value, ok := fields[name]
			if !ok {
				t.Fatalf("%s has no column %s: %v", table, name, fields)
			}
			text := fmt.Sprint(value)
			switch v := value.(type) {
			case nil:
				text = "-"
			case float64: // the library's type for decimals
				text = strconv.FormatFloat(v, 'f', 4, 64)
			}
			line = append(line, text)
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	return lines
}

func (e *runJob) relatedData(t *testing.T) *sinks.Dataset {
	t.Helper()
	store, err := sinks.OpenFolder(e.folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return sinks.New(store, &sinks.Options{Portal: "acme"})
}

func orDash(id int64) string {
	if id == 0 {
		return "-"
	}
	return fmt.Sprint(id)
}

func textOrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// micros formats an instant as the tables do.
func micros(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return fmt.Sprint(at.UnixMicro())
}

// wantRelated compares every related table with the portal, field by field. It returns
// how many requests of 2,500 rows they would take at least.
func (e *runJob) wantRelated(t *testing.T, portal *bitrixtest.Portal) (least int64) {
	t.Helper()
	orders, owners, companies, contacts := map[int64]bool{}, map[[2]int64]bool{}, map[int64]bool{}, map[int64]bool{}
	types := map[int64]bool{}
	for _, p := range e.rows(t) {
		orders[p.OrderID.V] = true
		if p.EntityID.Valid {
			owners[[2]int64{p.EntityTypeID.V, p.EntityID.V}] = true
			types[p.EntityTypeID.V] = true
		}
	}
	same := func(table string, want []string, columns ...string) {
		t.Helper()
		got := e.related(t, table, columns...)
		if diff := diffUnless(slices.Equal(want, got), want, got); diff != "" {
			t.Errorf("%s differ from the portal (-want +got):\n%.3000s", table, diff)
		}
		least += (int64(len(want)) + 2499) / 2500
	}
	var want []string
	for _, id := range sortedKeys(orders) {
		o, _ := portal.Order(id)
		want = append(want, strings.Join([]string{
			fmt.Sprint(o.ID), o.AccountNumber, o.StatusID, o.Price, o.Currency, fmt.Sprint(o.Paid), fmt.Sprint(o.Canceled),
			micros(o.Created), micros(o.Updated), orDash(o.ResponsibleID), orDash(o.PersonTypeID),
		}, "|"))
	}
	same("orders", want, "id", "account_number", "status_id", "price", "currency", "paid", "canceled", "created_at", "updated_at", "responsible_id", "person_type_id")

	want = nil
	for _, kind := range sortedKeys(types) {
		for item := range portal.Items(kind) {
			if !owners[[2]int64{kind, item.ID}] || item.Hidden() {
				continue
			}
			companies[item.CompanyID], contacts[item.ContactID] = true, true
			closed := "-"
			if item.ClosedKnown() {
				closed = fmt.Sprint(item.Closed)
			}
			want = append(want, strings.Join([]string{
				fmt.Sprint(kind), fmt.Sprint(item.ID), item.Title, fmt.Sprint(item.CategoryID), item.StageID, item.Amount, item.Currency,
				orDash(item.CompanyID), orDash(item.ContactID), orDash(item.AssignedByID), micros(item.Created), micros(item.Updated), micros(item.CloseDate), closed,
			}, "|"))
		}
	}
	same("owners", want, "entity_type_id", "entity_id", "title", "category_id", "stage_id", "amount", "currency", "company_id", "contact_id",
		"assigned_by_id", "created_at", "updated_at", "closed_on", "closed")

	delete(companies, 0)
	delete(contacts, 0)
	want = nil
	for _, id := range sortedKeys(companies) {
		name, _ := bitrixtest.PersonName(4, id)
		want = append(want, fmt.Sprint(id)+"|"+name)
	}
	same("companies", want, "id", "name")
	want = nil
	for _, id := range sortedKeys(contacts) {
		name, last := bitrixtest.PersonName(3, id)
		want = append(want, fmt.Sprint(id)+"|"+name+"|"+textOrDash(last))
	}
	same("contacts", want, "id", "name", "last_name")

	want = nil
	for _, u := range portal.Users() {
		want = append(want, strings.Join([]string{fmt.Sprint(u.ID), u.Name, textOrDash(u.LastName), fmt.Sprint(u.Active), textOrDash(u.UserType)}, "|"))
	}
	same("users", want, "id", "name", "last_name", "active", "user_type")

	want = nil
	for _, s := range portal.Systems() {
		want = append(want, strings.Join([]string{fmt.Sprint(s.ID), s.Name, fmt.Sprint(s.Active), map[string]string{"Y": "cash", "N": "cashless", "A": "acquiring"}[s.IsCash]}, "|"))
	}
	same("pay_systems", want, "id", "name", "active", "settlement")

	want = nil
	for _, s := range bitrixtest.Stages() {
		if types[s.TypeID] {
			category := "-"
			if s.TypeID == 2 { // the only type with several funnels
				category = s.Category
			}
			want = append(want, strings.Join([]string{
				fmt.Sprint(s.TypeID), fmt.Sprint(s.CategoryID), s.StageID, s.Name, category, fmt.Sprint(s.Sort), textOrDash(map[string]string{"S": "won", "F": "lost"}[s.Semantics]),
			}, "|"))
		}
	}
	got := e.related(t, "stages", "entity_type_id", "category_id", "stage_id", "stage", "category", "sort", "outcome")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stages differ from the portal (-want +got):\n%s", diff)
	}
	return least + 1
}

func sortedKeys(set map[int64]bool) []int64 {
	var keys []int64
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// TestRelatedTables: the tables equal the portal's data, on portals that spell oddly,
// print the times of items an hour off, and cast lists in filters to 1. verify finds no
// problem, and the tables are read at most once per related_every.
func TestRelatedTables(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts bitrixtest.Options
	}{
		{"plain", bitrixtest.Options{}},
		{"odd", bitrixtest.Options{Odd: true, Related: bitrixtest.RelatedQuirks{SystemsAtOnce: true, StatusesAtOnce: true}}},
		{"lists cast to 1", bitrixtest.Options{Values: bitrixtest.ValueQuirks{CastLists: true}}},
		{"items that may not be read", bitrixtest.Options{Related: bitrixtest.RelatedQuirks{Hidden: 0.1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.opts
			o.Seed, o.Payments, o.Rights, o.AllowRegets, o.Strict = 17, 1500, everyScope, true, t
			portal := bitrixtest.New(o)
			e := newRunJob(t, portal, allRelated)
			e.run(t, jobs.ExitComplete)
			e.wantRelated(t, portal)
			d := e.relatedData(t)
			if found, err := d.VerifyRelated(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("verify: found %v, error %v", found, err)
			}
			before := portal.Stats()
			e.run(t, jobs.ExitComplete)
			if after := portal.Stats(); after.Commands["user.get"] != before.Commands["user.get"] || after.Commands["crm.item.list"] != before.Commands["crm.item.list"] {
				t.Error("read again within related_every")
			}
			e.opts.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
			e.run(t, jobs.ExitComplete)
			if after := portal.Stats(); after.Commands["user.get"] == before.Commands["user.get"] {
				t.Error("not read again after related_every")
			}
			e.wantRelated(t, portal)
		})
	}
}

// TestRelatedCost: the related tables of a portal with 128,000 payments, 64,000 orders
// and 40,000 deals need at most 3 % more requests than if each were full.
func TestRelatedCost(t *testing.T) {
	slow(t)
	const payments = 128_000
	portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: payments, Rights: everyScope, Strict: t})
	e := newRunJob(t, portal, "source: {enrich: list, related: [orders, owners, stages, companies, contacts, users, pay_systems]}\nrejects: {max: 100%}")
	e.run(t, jobs.ExitComplete)
	least := e.wantRelated(t, portal)
	d := e.relatedData(t)
	cost := int64(0)
	tables, err := d.RelatedTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range tables {
		t.Logf("%s: %d rows, %d requests", m.Table, m.Rows, m.Requests)
		if m.Table == "users" || m.Table == "pay_systems" {
			continue // the requests are counted under stages
		}
		cost += m.Requests
	}
	if float64(cost) > 1.03*float64(least) {
		t.Errorf("%d requests, want at most 3 %% more than %d", cost, least)
	}
}

// TestRelatedTablesThatAreRefused: without a scope or a right, the run leaves out a
// table, records why, and does not fail. An older table stays.
func TestRelatedTablesThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rights  bitrixtest.Rights
		quirks  bitrixtest.RelatedQuirks
		missing map[string]string
	}{
		{"no scopes", bitrixtest.Rights{}, bitrixtest.RelatedQuirks{}, map[string]string{"users": "insufficient_scope", "pay_systems": "insufficient_scope"}},
		{"statuses refused by an empty code", everyScope, bitrixtest.RelatedQuirks{StatusDenied: "code"}, map[string]string{"stages": "Access denied."}},
		{"statuses refused by 0", everyScope, bitrixtest.RelatedQuirks{StatusDenied: "number"}, map[string]string{"stages": "Access denied."}},
		{"statuses refused by a text", everyScope, bitrixtest.RelatedQuirks{StatusDenied: "text"}, map[string]string{"stages": "Access denied."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 17, Payments: 200, Rights: tt.rights, Related: tt.quirks, Strict: t})
			e := newRunJob(t, portal, allRelated)
			e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
			d := e.relatedData(t)
			tables, err := d.RelatedTables(t.Context())
			if err != nil || len(tables) != 7 {
				t.Fatalf("%d tables, error %v", len(tables), err)
			}
			for _, m := range tables {
				want := tt.missing[m.Table]
				if (want == "") != (m.Missing == "") || !strings.Contains(m.Missing, want) || (m.Path == "") == (want == "") {
					t.Errorf("%s: missing %q, want %q; file %q", m.Table, m.Missing, want, m.Path)
				}
			}
		})
	}
}

// TestRelatedTablesThatAreDropped: tables that the job no longer names are deleted.
func TestRelatedTablesThatAreDropped(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 17, Payments: 200, Rights: everyScope, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, allRelated)
	e.run(t, jobs.ExitComplete)
	e.spec.Source.Related = []string{"users"}
	e.run(t, jobs.ExitComplete)
	tables, err := e.relatedData(t).RelatedTables(context.Background())
	if err != nil || len(tables) != 1 || tables[0].Table != "users" {
		t.Errorf("tables %v, error %v", tables, err)
	}
	if left, _ := filepath.Glob(filepath.Join(e.folder, "payments_o*", "*", "*.parquet")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}
