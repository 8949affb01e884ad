package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
)

// TestExport exports 8,000 payments in odd spellings with the built program. The portal
// lists some of them but refuses their gets. The test compares the table with the
// portal field by field, with DuckDB and with Arrow's reader.
func TestExport(t *testing.T) {
	const payments = 8000
	portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: payments, Odd: true, Refuse: 0.003, Strict: t})
	p := newFolder(t)
	began := time.Now()
	j := newJob(serve(t, portal, portal), p.url).with("rejects", "max", "1%")
	o := runJob(t, p.env, j.write(t), 3)
	p.wantWhole(t)

	duck := table.OpenDuckDB(t)
	refused := duck.Query(t, `SELECT id, stage, code, description, attempts FROM read_parquet(`+
		table.Quote(p.path("payments_rejects/portal=acme/snapshot="+string(o.Snapshot)+"/rejects.parquet"))+`)`, 5)
	rejected := map[string]bool{}
	for _, r := range refused {
		rejected[r[0]] = true
		if r[1] != "get" || r[2] != "0" && r[2] != "ACCESS_DENIED" || !strings.Contains(r[3], "ccess denied") || r[4] == "0" {
			t.Errorf("reject %v: want stage get, and code and text of the portal's refusal", r)
		}
		if text := ask(t, portal, "crm.item.payment.get", `{"id":`+r[0]+`}`); !strings.Contains(text, `"error"`) {
			t.Errorf("payment %s is a reject, but the portal gives it: %s", r[0], text)
		}
	}
	if len(rejected) == 0 || len(rejected) != len(refused) {
		t.Fatalf("%d rejects of %d payments", len(refused), len(rejected))
	}
	var want []table.Row
	for _, row := range truth(portal) {
		if !rejected[row[0]] {
			want = append(want, row)
		}
	}
	if len(want)+len(rejected) != payments {
		t.Errorf("%d rows and %d rejects of %d payments", len(want), len(rejected), payments)
	}
	if diff := table.Diff(duck.Payments(t, p.current()), want); diff != "" {
		t.Errorf("DuckDB's table differs from the portal:\n%s", diff)
	}
	if diff := table.Diff(table.ArrowPayments(t, p.current()), want); diff != "" {
		t.Errorf("Arrow's table differs from the portal:\n%s", diff)
	}
	if first, last := duck.Extracted(t, p.current()); first.Before(began.Truncate(time.Microsecond)) || last.After(time.Now()) {
		t.Errorf("extracted_at from %v to %v, the run began at %v", first, last, began)
	}

	l := o.Ledger
	if l.Listed != payments || l.Got != int64(len(want)) || l.Rejected != int64(len(rejected)) || l.Carried+l.Vanished+l.Outside != 0 {
		t.Errorf("ledger %+v, want %d listed = %d got + %d rejected", l, payments, len(want), len(rejected))
	}
	if o.Changes.Insert != l.Got || o.Changes.Update+o.Changes.Delete != 0 {
		t.Errorf("changes %+v of a first snapshot of %d rows", o.Changes, l.Got)
	}
	wantTotals(t, duck, p, o)
	// The paths are made for this query.
	byPortal := duck.Query(t, `SELECT portal, count(*) FROM read_parquet(`+
		table.Quote(p.path("payments")+"/**/*.parquet")+`, hive_partitioning = true) GROUP BY ALL`, 2)
	if len(byPortal) != 1 || byPortal[0][0] != "acme" || byPortal[0][1] != fmt.Sprint(len(want)) {
		t.Errorf("by portal: %v, want acme with %d rows", byPortal, len(want))
	}
	// One request for 2,500 ids, one for each 49 payments, one more for each refused
	// payment, which is asked for alone, and a few others.
	if most := int64(payments/2500 + payments/49 + len(rejected) + 10); o.PortalUse.Requests > most {
		t.Errorf("%d requests, want at most %d", o.PortalUse.Requests, most)
	}
}

// wantTotals compares the manifest's sums with DuckDB's.
func wantTotals(t *testing.T, duck *table.DuckDB, p place, o outcome) {
	t.Helper()
	sums := duck.Query(t, `SELECT currency, count(*), sum(sum)::VARCHAR, count(*) FILTER (paid), coalesce(sum(sum) FILTER (paid), 0::DECIMAL(18,4))::VARCHAR
		FROM read_parquet(`+table.Quote(p.current())+`) GROUP BY ALL`, 5)
	if len(sums) != len(o.Totals) || len(sums) == 0 {
		t.Errorf("%d currencies in the table, %d in the manifest", len(sums), len(o.Totals))
	}
	for _, s := range sums {
		total := o.Totals[s[0]]
		got := []string{s[0], fmt.Sprint(total.Payments), total.Sum, fmt.Sprint(total.Paid), total.PaidSum}
		if strings.Join(got, " ") != strings.Join(s, " ") {
			t.Errorf("totals %v, DuckDB adds up to %v", got, s)
		}
	}
}

// A run with more rejects than the job allows fails, and leaves what readers see
// unchanged.
func TestTooManyRejects(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 2, Payments: 2000, AllowRegets: true, Strict: t})
	p := newFolder(t)
	file := newJob(serve(t, portal, portal), p.url).with("rejects", "max", "0.5%").write(t)

	portal.Adjust(func(o *bitrixtest.Options) { o.Refuse = 0.05 })
	o := runJob(t, p.env, file, 1)
	if !strings.Contains(*o.Error, "rejected") {
		t.Errorf("error %q does not say what is wrong", *o.Error)
	}
	for _, key := range p.objects(t) {
		if !strings.HasPrefix(key, stateFolder) {
			t.Errorf("%s is there after a run that published nothing", key)
		}
	}

	portal.Adjust(func(o *bitrixtest.Options) { o.Refuse = 0 })
	runJob(t, p.env, file, 0)
	wantTable(t, p, portal)
	before := p.sum(t, currentTable)

	portal.Adjust(func(o *bitrixtest.Options) { o.Refuse = 0.05 })
	runJob(t, p.env, file, 1)
	if p.sum(t, currentTable) != before {
		t.Error("a run that failed has changed the current table")
	}
	// Its work is saved: the next run tries the rejects again.
	portal.Adjust(func(o *bitrixtest.Options) { o.Refuse = 0 })
	runJob(t, p.env, file, 0)
	p.wantWhole(t)
}

// TestIncremental exports, changes the portal, and exports again. The table is that of
// the portal, the run fetched few payments, and the change feed converts the previous
// snapshot to the new one.
func TestIncremental(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 6, Payments: 8000, Odd: true, AllowRegets: true, Strict: t})
	p := newFolder(t)
	j := newJob(serve(t, portal, portal), p.url)
	j["mode"] = "incremental"
	file := j.write(t)
	first := runJob(t, p.env, file, 0)
	duck := table.OpenDuckDB(t)
	for round := range 3 {
		before := gets(portal)
		portal.Mutate(300, uint64(round))
		second := runJob(t, p.env, file, 0)
		wantTable(t, p, portal)
		if got := gets(portal) - before; got > 300 {
			t.Errorf("%d gets for 300 changes", got)
		}
		snapshot := func(o outcome, kind, name string) string {
			return "read_parquet(" + table.Quote(p.path("payments"+kind+"/portal=acme/snapshot="+string(o.Snapshot)+"/"+name)) + ", hive_partitioning = false)"
		}
		columns := strings.Join(table.Columns[:], ", ") + ", extracted_at"
		replayed := `(SELECT ` + columns + ` FROM ` + snapshot(first, "_history", "payments.parquet") + ` old
				WHERE NOT EXISTS (FROM ` + snapshot(second, "_changes", "changes.parquet") + ` c WHERE c.id = old.id)
			UNION ALL SELECT ` + columns + ` FROM ` + snapshot(second, "_changes", "changes.parquet") + ` WHERE op != 'delete')`
		now := `(SELECT ` + columns + ` FROM ` + snapshot(second, "_history", "payments.parquet") + `)`
		differ := duck.Query(t, `SELECT count(*) FROM ((`+replayed+` EXCEPT ALL `+now+`) UNION ALL (`+now+` EXCEPT ALL `+replayed+`))`, 1)
		if differ[0][0] != "0" {
			t.Errorf("round %d: %s rows differ between the replayed change feed and the snapshot", round, differ[0][0])
		}
		counts := duck.Query(t, `SELECT count(*) FILTER (op = 'insert'), count(*) FILTER (op = 'update'), count(*) FILTER (op = 'delete') FROM `+
			snapshot(second, "_changes", "changes.parquet"), 3)[0]
		c := second.Changes
		if want := fmt.Sprint(c.Insert, c.Update, c.Delete); strings.Join(counts, " ") != want || c.Update == 0 {
			t.Errorf("round %d: the feed has %v inserts, updates and deletes, the manifest %s", round, counts, want)
		}
		first = second
	}
	p.wantWhole(t)
}

// tempFile stores data in a new file.
func tempFile(t testing.TB, data []byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.parquet")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
