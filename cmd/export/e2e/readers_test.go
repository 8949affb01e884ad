package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
)

// TestTextsThatEnginesPruneBy: ClickHouse prunes pages by the column index, and
// finds each text of a column that is mostly long texts.
func TestTextsThatEnginesPruneBy(t *testing.T) {
	p := newFolder(t)
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 300, Refuse: 0.02, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), p.url).with("source", "fields", []string{"comments"})
	j["rejects"] = map[string]any{"max": "50%"}
	runJob(t, p.env, j.write(t), 3)

	newest := p.manifests(t)[0]
	rejects := p.path("payments_rejects/portal=acme/snapshot=" + string(newest.Snapshot) + "/rejects.parquet")
	duck := table.OpenDuckDB(t)
	var queries []string
	var want []string
	for _, file := range []struct{ path, column string }{
		{p.current(), "extra"}, {rejects, "description"},
	} {
		// DuckDB does not prune by page bounds.
		texts := duck.Query(t, fmt.Sprintf("SELECT %s, count(*) FROM read_parquet(%s) WHERE %[1]s IS NOT NULL GROUP BY ALL", file.column, table.Quote(file.path)), 2)
		if len(texts) == 0 {
			t.Fatalf("%s has no texts", file.column)
		}
		all := int64(0)
		for _, row := range texts {
			queries = append(queries, fmt.Sprintf("SELECT count() FROM file(%s, Parquet) WHERE %s = %s", table.Quote(file.path), file.column, clickHouseText(row[0])))
			want = append(want, row[1])
			all += number(t, row[1])
		}
		queries = append(queries, fmt.Sprintf("SELECT count() FROM file(%s, Parquet) WHERE %s != ''", table.Quote(file.path), file.column))
		want = append(want, fmt.Sprint(all))
	}
	input, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	var answers [][][]string
	node(t, "clickhouse", input, &answers)
	for i, query := range queries {
		if got := answers[i][0][0]; got != want[i] {
			t.Errorf("%.200s: %s rows, want %s", query, got, want[i])
		}
	}
}

// clickHouseText makes text a literal of ClickHouse.
func clickHouseText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
