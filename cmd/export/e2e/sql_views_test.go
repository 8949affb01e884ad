package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/servers"
	"b24export/cmd/export/e2e/internal/table"
)

// TestViewsForBigQuery executes BigQuery's views of days and of names in DuckDB, which
// has the same joins; only names and DATE with a time zone differ. They show the same
// as DuckDB's own views, and use the portal's days.
func TestViewsForBigQuery(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", ""} {
		name, location := zone, time.FixedZone("", 3*3600)
		if zone == "" {
			name = "+03:00"
		} else {
			var err error
			if location, err = time.LoadLocation(zone); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) {
			gcs := servers.StartGCS(t)
			p := place{url: gcs.Bucket("warehouse"), dir: t.TempDir(), env: gcs.Env()}
			portal := bitrixtest.New(bitrixtest.Options{
				Seed: 4, Payments: 600, Trade: true, Returns: 0.05, AllowRegets: true, Strict: t, Values: bitrixtest.ValueQuirks{Zone: zone},
				Rights: bitrixtest.Rights{Scopes: []string{"crm", "sale", "user", "pay_system"}},
			})
			j := newJob(serve(t, portal, portal), p.url).with("source", "related", []string{"orders", "owners", "stages", "users", "pay_systems", "companies", "contacts"})
			file := j.write(t)
			runJob(t, p.env, file, 0)
			setEnv(t, p.env)
			download(t, p)
			duck := table.OpenDuckDB(t)
			execute(t, duck, p, printSQL(t, p.env, file))

			if err := duck.Exec(`CREATE MACRO date_in(instant, zone) AS CASE WHEN left(zone, 1) = '+'
				THEN ((instant AT TIME ZONE 'UTC') + to_hours(zone[2:3]::INT))::DATE ELSE (instant AT TIME ZONE CASE WHEN left(zone, 1) = '+' THEN 'UTC' ELSE zone END)::DATE END`); err != nil {
				t.Fatal(err)
			}
			inDuckDB := strings.NewReplacer("`bitrix24.payments_days`", "bq_days", "`bitrix24.payments_named`", "bq_named", "`bitrix24.", `"`, "`", `"`, "DATE(", "date_in(")
			views := 0
			for _, s := range printSQL(t, p.env, file, "--engine", "bigquery", "--part", "external") {
				if !strings.HasPrefix(s.SQL, "CREATE OR REPLACE VIEW") {
					continue
				}
				views++
				if err := duck.Exec(inDuckDB.Replace(s.SQL)); err != nil {
					t.Fatal(err)
				}
			}
			if views != 2 {
				t.Fatalf("%d views, want those of days and of names", views)
			}
			for ours, theirs := range map[string]string{"payments_days": "bq_days", "payments_named": "bq_named"} {
				counts := duck.Query(t, "SELECT (SELECT count(*) FROM "+ours+"), (SELECT count(*) FROM "+theirs+"), "+
					"(SELECT count(*) FROM (FROM "+ours+" EXCEPT ALL FROM "+theirs+"))", 3)[0]
				if counts[0] != "600" || counts[1] != "600" || counts[2] != "0" {
					t.Errorf("%s and %s: rows and differences %v", ours, theirs, counts)
				}
			}
			if named := duck.Query(t, "SELECT count(manager), count(stage), count(company), count(order_price), count(pay_system) FROM bq_named", 5)[0]; strings.Contains(" "+strings.Join(named, " ")+" ", " 0 ") {
				t.Errorf("managers, stages, companies, prices, payment systems: %v: a join finds nothing", named)
			}
			days := map[string]string{}
			for _, row := range duck.Query(t, "SELECT id, coalesce(paid_day::VARCHAR, '') || ' ' || coalesce(billed_day::VARCHAR, '') || ' ' || time_zone FROM payments_days", 2) {
				days[row[0]] = row[1]
			}
			day := func(at time.Time) string {
				if at.IsZero() {
					return ""
				}
				return at.In(location).Format(time.DateOnly)
			}
			wrong, crossed := 0, 0
			for payment := range portal.All() {
				want := day(payment.DatePaid) + " " + day(payment.DateBill) + " " + name
				if days[strconv.FormatInt(payment.ID, 10)] != want {
					wrong++
					if wrong == 1 {
						t.Errorf("payment %d: days %q, want %q", payment.ID, days[strconv.FormatInt(payment.ID, 10)], want)
					}
				}
				if !payment.DateBill.IsZero() && day(payment.DateBill) != payment.DateBill.UTC().Format(time.DateOnly) {
					crossed++
				}
			}
			if wrong > 0 || crossed == 0 {
				t.Errorf("%d payments with other days; %d whose day is another one in UTC", wrong, crossed)
			}
		})
	}
}
