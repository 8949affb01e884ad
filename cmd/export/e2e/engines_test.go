package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/servers"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/schemas/totals"
)

// node runs a command of engines.mjs on input, and decodes its answer.
func node(t testing.TB, word string, input []byte, answer any) {
	t.Helper()
	cmd := exec.Command("node", "engines.mjs", word)
	cmd.Stdin = bytes.NewReader(input)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	exit := procs.Start(t, "engines", cmd).Wait(t, ctx)
	if exit.Code != 0 {
		t.Fatalf("exit code %d; it said:\n%s", exit.Code, exit.Stderr)
	}
	if err := json.Unmarshal(exit.Stdout, answer); err != nil {
		t.Fatalf("read its output: %v\n%.2000s", err, exit.Stdout)
	}
}

// manyNights exports a portal several times into a folder: everything, then the
// changes, with rejects, and everything again in between.
func manyNights(t *testing.T) (place, *bitrixtest.Portal, string) {
	t.Helper()
	p := newFolder(t)
	portal := bitrixtest.New(bitrixtest.Options{Seed: 12, Payments: 1500, Odd: true, Refuse: 0.004, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), p.url)
	j["rejects"] = map[string]any{"max": "5%"}
	j["mode"] = "full"
	full := j.write(t)
	j["mode"] = "incremental"
	file := j.write(t)
	for night := range 6 {
		job := file
		if night == 3 {
			job = full
		}
		runJob(t, p.env, job, 3)
		if night < 5 {
			portal.Mutate(60, uint64(night))
		}
	}
	return p, portal, file
}

// perCurrency is the query of the aggregate lines on which all engines must agree.
const perCurrency = `SELECT currency, count(*), sum(sum)::DECIMAL(38,4)::VARCHAR, count(*) FILTER (paid), coalesce(sum(sum) FILTER (paid), 0)::DECIMAL(38,4)::VARCHAR,
	min(id), max(id), count(order_id), count(date_paid), coalesce(max(epoch_us(date_bill)), 0), sum(length(coalesce(pay_system_name, '')))::BIGINT
	FROM %s GROUP BY ALL ORDER BY currency`

// inClickHouse is the same query for ClickHouse.
const inClickHouse = `SELECT currency, count(), sum(sum), countIf(paid), sumIf(sum, paid),
	min(id), max(id), count(order_id), count(date_paid), toUnixTimestamp64Micro(max(date_bill)), sum(lengthUTF8(pay_system_name))
	FROM %s GROUP BY currency ORDER BY currency SETTINGS output_format_decimal_trailing_zeros = 1`

// lines computes the same lines from rows that were read in another way.
func lines(t testing.TB, rows []table.Row) [][]string {
	t.Helper()
	at := func(row table.Row, name string) string { return row[slices.Index(table.Columns[:], name)] }
	currencies := map[string]bool{}
	for _, row := range rows {
		currencies[at(row, "currency")] = true
	}
	var all [][]string
	for currency := range currencies {
		var n, paid, minID, maxID, orders, dates, bill, letters int64
		var sums schemas.Totals
		for _, row := range rows {
			if at(row, "currency") != currency {
				continue
			}
			var id int64
			fmt.Sscan(row[0], &id)
			if n++; n == 1 {
				minID = id
			}
			minID, maxID = min(minID, id), max(maxID, id)
			sum, err := schemas.ParseDecimal(at(row, "sum"))
			if err != nil {
				t.Fatal(err)
			}
			sums.Add(&schemas.Payment{Sum: schemas.Some(sum), Paid: schemas.Some(at(row, "paid") == "true"), Currency: schemas.Some(currency)})
			if at(row, "paid") == "true" {
				paid++
			}
			if at(row, "order_id") != table.Null {
				orders++
			}
			if at(row, "date_paid") != table.Null {
				dates++
			}
			if text := at(row, "date_bill"); text != table.Null {
				billed, err := time.Parse(table.TimeLayout, text)
				if err != nil {
					t.Fatal(err)
				}
				bill = max(bill, billed.UnixMicro())
			}
			if text := at(row, "pay_system_name"); text != table.Null {
				letters += int64(len([]rune(text)))
			}
		}
		for _, total := range sums.ByCurrency() {
			all = append(all, []string{
				currency, fmt.Sprint(n), total.Sum, fmt.Sprint(paid), total.PaidSum,
				fmt.Sprint(minID), fmt.Sprint(maxID), fmt.Sprint(orders), fmt.Sprint(dates), fmt.Sprint(bill), fmt.Sprint(letters),
			})
		}
	}
	slices.SortFunc(all, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return all
}

// DuckDB, DuckDB in Node (another version), ClickHouse, Arrow, the portal and the
// manifest agree on a table, to the last digit. All files of a dataset load together,
// whichever run wrote them.
func TestEnginesAgree(t *testing.T) {
	p, portal, _ := manyNights(t)
	duck := table.OpenDuckDB(t)
	manifests := p.manifests(t)
	newest := manifests[len(manifests)-1]

	glob := func(folder string) string {
		return fmt.Sprintf("read_parquet(%s)", table.Quote(filepath.Join(p.dir, folder, "portal=acme", "*", "*.parquet")))
	}
	current := fmt.Sprintf("read_parquet(%s)", table.Quote(p.current()))
	describe := func(from string) string {
		return "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " + from + ")"
	}
	// Without union_by_name, a file with other columns would fail, or mix them up.
	drift := func(folder string) string {
		files := table.Quote(filepath.Join(p.dir, folder, "portal=acme", "*", "*.parquet"))
		return "SELECT count(DISTINCT file_name), count(DISTINCT columns) FROM (SELECT file_name, string_agg(concat_ws(' ', name, type, converted_type, logical_type, repetition_type), ',') AS columns FROM parquet_schema(" +
			files + ") GROUP BY ALL) UNION ALL SELECT count(*), count(*) FILTER (num_rows > 0) FROM parquet_file_metadata(" + files + ")"
	}
	queries := []string{fmt.Sprintf(perCurrency, current), describe(current)}
	widths := []int{11, 2}
	for _, folder := range []string{"payments_history", "payments_changes", "payments_rejects"} {
		queries = append(queries, describe(glob(folder)), "SELECT count(*) FROM "+glob(folder), drift(folder))
		widths = append(widths, 2, 1, 2)
	}
	queries = append(queries, fmt.Sprintf(perCurrency, glob("payments_history")))
	widths = append(widths, 11)

	input, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	var inNode [][][]string
	node(t, "duckdb", input, &inNode)
	var inGo [][][]string
	for i, query := range queries {
		inGo = append(inGo, duck.Query(t, query, widths[i]))
		if fmt.Sprint(inNode[i]) != fmt.Sprint(inGo[i]) {
			t.Errorf("%s\nin Node %v\nin Go   %v", query, inNode[i], inGo[i])
		}
	}
	input, err = json.Marshal([]string{fmt.Sprintf(inClickHouse, "file("+table.Quote(p.current())+", Parquet)")})
	if err != nil {
		t.Fatal(err)
	}
	var clickHouse [][][]string
	node(t, "clickhouse", input, &clickHouse)
	if fmt.Sprint(clickHouse[0]) != fmt.Sprint(inGo[0]) {
		t.Errorf("by ClickHouse %v\nby DuckDB     %v", clickHouse[0], inGo[0])
	}
	if got := lines(t, table.ArrowPayments(t, p.current())); fmt.Sprint(got) != fmt.Sprint(inGo[0]) {
		t.Errorf("by Arrow  %v\nby DuckDB %v", got, inGo[0])
	}
	there := slices.DeleteFunc(truth(portal), func(row table.Row) bool {
		var id int64
		fmt.Sscan(row[0], &id)
		return portal.Refused(id)
	})
	if got := lines(t, there); fmt.Sprint(got) != fmt.Sprint(inGo[0]) {
		t.Errorf("on the portal %v\nby DuckDB     %v", got, inGo[0])
	}
	for _, row := range inGo[0] {
		want := newest.Totals[row[0]]
		if (totals.Total{Payments: number(t, row[1]), Sum: row[2], Paid: number(t, row[3]), PaidSum: row[4]}) != want {
			t.Errorf("by DuckDB %v, the manifest says %+v", row, want)
		}
	}
	// describe, count, drift of the three folders.
	var rows, changes, rejects, files int64
	for _, m := range manifests {
		rows += m.Ledger.Rows()
		if m.Feed != pipeline.FeedTable {
			changes += m.Changes.Sum()
		}
		rejects += m.Ledger.Rejected
	}
	for i, want := range []int64{rows, changes, rejects} {
		at := 2 + 3*i
		if got := number(t, inGo[at+1][0][0]); got != want || got == 0 {
			t.Errorf("%s: %d, the manifests count %d", queries[at+1], got, want)
		}
		if drifted := inGo[at+2]; drifted[0][1] != "1" || drifted[1][0] != drifted[1][1] || drifted[0][0] != drifted[1][0] {
			t.Errorf("files, kinds of columns; files, those with rows: %v", drifted)
		}
		files += number(t, inGo[at+2][0][0])
	}
	if files < 15 {
		t.Errorf("%d files only", files)
	}
	if fmt.Sprint(inGo[1]) != fmt.Sprint(inGo[2][:len(inGo[1])]) {
		t.Errorf("the current table has columns %v, the history %v", inGo[1], inGo[2])
	}
}

func number(t testing.TB, text string) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Another implementation reads the Arrow stream of cat, with the same values as cat's
// lines of JSON.
func TestArrowStreamInNode(t *testing.T) {
	p, _, file := manyNights(t)
	for _, what := range []string{"", "--changes", "--rejects"} {
		args := []string{"cat", file}
		if what != "" {
			args = append(args, what)
		}
		var answer struct {
			Columns []string
			Rows    [][]*string
		}
		node(t, "arrow", output(t, p.env, append(args, "--format", "arrow")...), &answer)
		var names []string
		for _, column := range answer.Columns {
			name, _, _ := strings.Cut(column, " ")
			names = append(names, name)
		}
		n := 0
		for line := range bytes.Lines(output(t, p.env, append(args, "--format", "jsonl")...)) {
			var want map[string]json.RawMessage
			if err := json.Unmarshal(line, &want); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			for i, cell := range answer.Rows[n] {
				if got := jsonCell(t, answer.Columns[i], cell); got != jsonText(want[names[i]]) {
					t.Fatalf("cat %s, row %d, column %s: %s, want %s", what, n, answer.Columns[i], got, want[names[i]])
				}
			}
			n++
		}
		if n != len(answer.Rows) || n == 0 {
			t.Errorf("cat %s: %d rows in the stream, %d lines of JSON", what, len(answer.Rows), n)
		}
	}
}

// jsonCell returns a value of the stream in the form of cat's JSON.
func jsonCell(t testing.TB, column string, cell *string) string {
	t.Helper()
	switch {
	case cell == nil:
		return "null"
	case strings.Contains(column, "Timestamp"):
		return time.UnixMicro(number(t, *cell)).UTC().Format(table.TimeLayout)
	case strings.Contains(column, "Decimal"):
		return schemas.Decimal(number(t, *cell)).String()
	case strings.HasPrefix(column, "extra "):
		return jsonText(json.RawMessage(*cell))
	}
	return *cell
}

// jsonText returns a JSON value without the quotes and escapes of a text.
func jsonText(raw json.RawMessage) string {
	var text string
	var compact bytes.Buffer
	switch {
	case len(raw) == 0:
		return "null"
	case json.Unmarshal(raw, &text) == nil && raw[0] == '"':
		return text
	case json.Compact(&compact, raw) == nil:
		return compact.String()
	}
	return string(raw)
}

// A parser of BigQuery's dialect accepts each statement that sql prints for BigQuery,
// and each of the recipes' queries for it. Only BigQuery itself can show more.
func TestBigQueryStatementsParse(t *testing.T) {
	gcs := servers.StartGCS(t)
	p := place{url: gcs.Bucket("warehouse"), dir: t.TempDir(), env: gcs.Env()}
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 300, AllowRegets: true, Strict: t})
	// Some related tables have files, others are empty.
	j := newJob(serve(t, portal, portal), p.url).with("source", "related", []string{"orders", "owners", "stages"})
	j["mode"] = "incremental"
	file := j.write(t)
	for run := range 2 {
		runJob(t, p.env, file, 0)
		portal.Mutate(40, uint64(run))
	}
	statements := printSQL(t, p.env, file, "--engine", "bigquery")
	text, err := os.ReadFile(recipes)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range forBigQuery.FindAllSubmatch(text, -1) {
		statements = append(statements, sqlStatement{SQL: string(query[1])})
	}
	var input bytes.Buffer
	words := map[string]bool{}
	for _, s := range statements {
		if s.SQL == "" || strings.HasPrefix(s.SQL, "bq ") {
			continue
		}
		word, _, _ := strings.Cut(s.SQL, " ")
		words[word] = true
		line, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		input.Write(append(line, '\n'))
	}
	if !strings.Contains(input.String(), "VIEW `bitrix24.payments_named`") || !strings.Contains(input.String(), "VIEW `bitrix24.payments_days`") {
		t.Error("the views of names and of days are not among the statements")
	}
	if !words["CREATE"] || !words["LOAD"] || !words["MERGE"] || !words["SELECT"] {
		t.Errorf("statements that begin with %v", words)
	}
	var wrong []string
	node(t, "bigquery", input.Bytes(), &wrong)
	for _, statement := range wrong {
		t.Error(statement)
	}
	// The parser does reject an invalid statement.
	node(t, "bigquery", []byte(`{"SQL":"MERGE INTO WHERE x"}`), &wrong)
	if len(wrong) == 0 {
		t.Error("nonsense was taken for BigQuery")
	}
}
