package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// daysText describes the views of days.
const daysText = "The payments with the days of paid and of bill, counted in the portal's time zone, which its newest manifest has. Where that\n" +
	"is not known, time_zone is UTC."

// sqlZone is a portal's time zone: a name, or an offset such as +03:00.
type sqlZone struct{ portal, zone string }

// unknownZone stands for a time zone that is not known.
const unknownZone = "UTC"

var offsetZone = regexp.MustCompile(`^([+-])(\d\d):(\d\d)$`)

// duckDB returns the zone as DuckDB can use it: a name, and a shift that is added to
// its wall clock, because DuckDB knows no zone by its offset.
func (z sqlZone) duckDB() (name string, shift time.Duration) {
	m := offsetZone.FindStringSubmatch(z.zone)
	if m == nil {
		return z.zone, 0
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi(m[3])
	shift = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if m[1] == "-" {
		shift = -shift
	}
	return unknownZone, shift
}

// duckDBDays returns DuckDB's view of payments with their days.
func duckDBDays(f *sqlFiles) statement {
	zones := "SELECT NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, NULL::INTERVAL WHERE false"
	var values []string
	for _, z := range f.zones {
		name, shift := z.duckDB()
		values = append(values, fmt.Sprintf("(%s, %s, %s, INTERVAL (%d) SECOND)", sqlText(z.portal), sqlText(z.zone), sqlText(name), int64(shift/time.Second)))
	}
	if len(values) > 0 {
		zones = "VALUES " + strings.Join(values, ", ")
	}
	day := func(column string) string {
		return fmt.Sprintf("((p.%s AT TIME ZONE coalesce(z.name, '%s')) + coalesce(z.shift, INTERVAL (0) SECOND))::DATE", column, unknownZone)
	}
	return statement{daysText, fmt.Sprintf(`CREATE OR REPLACE VIEW %s AS
  SELECT p.*, coalesce(z.time_zone, '%s') AS time_zone,
    %s AS paid_day,
    %s AS billed_day
  FROM %s p LEFT JOIN (%s) z (portal, time_zone, name, shift) ON z.portal = p.portal`,
		sqlIdentifier(f.name+"_days"), unknownZone, day("date_paid"), day("date_bill"), sqlIdentifier(f.name), zones)}
}

// days returns BigQuery's view of payments with their days.
func (b *bigQuery) days(f *sqlFiles) statement {
	zones := []string{"SELECT CAST(NULL AS STRING) AS portal, CAST(NULL AS STRING) AS time_zone"}
	for _, z := range f.zones {
		zones = append(zones, fmt.Sprintf("SELECT %s, %s", b.text(z.portal), b.text(z.zone)))
	}
	return statement{daysText, fmt.Sprintf(`CREATE OR REPLACE VIEW %s AS
  SELECT p.*, COALESCE(z.time_zone, '%[2]s') AS time_zone,
    DATE(p.date_paid, COALESCE(z.time_zone, '%[2]s')) AS paid_day,
    DATE(p.date_bill, COALESCE(z.time_zone, '%[2]s')) AS billed_day
  FROM %s p LEFT JOIN (
    %s
  ) z ON z.portal = p.portal`,
		b.table("_days"), unknownZone, b.table(""), strings.Join(zones, " UNION ALL\n    "))}
}
