package jobs_test

import (
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// For a user who is not an administrator the portal refuses payment systems with 403
// ACCESS_DENIED, which elsewhere means that a plan has lapsed. The table is left out
// with that reason, and neither the payments nor the tables of the CRM fail.
func TestRelatedTablesOfNoAdministrator(t *testing.T) {
	rights := everyScope
	rights.NotAdmin = true
	portal := bitrixtest.New(bitrixtest.Options{Seed: 17, Payments: 200, Rights: rights, Strict: t})
	e := newRunJob(t, portal, allRelated)
	if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m == nil || m.Ledger.Rows() == 0 {
		t.Fatalf("manifest %+v", m)
	}
	tables, err := e.relatedData(t).RelatedTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]string{}
	for _, m := range tables {
		missing[m.Table] = m.Missing
		if (m.Missing == "") != (m.Path != "") {
			t.Errorf("%s: file %q, missing %q", m.Table, m.Path, m.Missing)
		}
	}
	if got := missing["pay_systems"]; !strings.Contains(got, "ACCESS_DENIED") {
		t.Errorf("pay_systems: missing %q, want ACCESS_DENIED", got)
	}
	for _, table := range []string{"owners", "stages", "companies", "contacts", "users"} {
		if why, there := missing[table]; !there || why != "" {
			t.Errorf("%s: there %t, missing %q", table, there, why)
		}
	}
}
