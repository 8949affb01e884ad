package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/pipeline"
	"b24export/schemas"
)

// The columns of a version of the program that did not know the last two, encoded as
// verify requires them. They have no dictionaries.
type (
	olderPayment struct {
		ID            *int64  `parquet:"id,optional"`
		AccountNumber *string `parquet:"account_number,optional,plain"`
		Paid          *bool   `parquet:"paid,optional"`
		DatePaid      *int64  `parquet:"date_paid,optional,timestamp(microsecond:utc)"`
		EmpPaidID     *int64  `parquet:"emp_paid_id,optional,dict"`
		PaySystemID   *int64  `parquet:"pay_system_id,optional,dict"`
		Sum           *int64  `parquet:"sum,optional,decimal(4:18)"`
		Currency      *string `parquet:"currency,optional,dict"`
		PaySystemName *string `parquet:"pay_system_name,optional,dict"`
		OrderID       *int64  `parquet:"order_id,optional"`
		EntityTypeID  *int64  `parquet:"entity_type_id,optional,dict"`
		EntityID      *int64  `parquet:"entity_id,optional"`
		DateBill      *int64  `parquet:"date_bill,optional,timestamp(microsecond:utc)"`
		Extra         *string `parquet:"extra,optional,plain"`
		ExtractedAt   *int64  `parquet:"extracted_at,optional,timestamp(microsecond:utc)"`
	}
	olderChange struct {
		Op      *string `parquet:"op,optional,dict"`
		Changed *string `parquet:"changed,optional,dict"`
		olderPayment
	}
)

// rewrite writes a file again with the columns of T and its metadata.
func rewrite[T any](t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if version, _ := file.Lookup("b24export.schema_version"); version != fmt.Sprint(schemas.Version) {
		t.Errorf("%s says that its columns are of version %q, want %d", path, version, schemas.Version)
	}
	options := []parquet.WriterOption{
		parquet.SchemaOf(*new(T)), parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("id"))),
	}
	for _, kv := range file.Metadata().KeyValueMetadata {
		if kv.Key != "b24export.layout" { // it came with real bounds of pages
			options = append(options, parquet.KeyValueMetadata(kv.Key, kv.Value))
		}
	}
	// Row by row, because a struct in another one would have nulls read as zeros.
	narrow, err := parquet.Convert(parquet.SchemaOf(*new(T)), file.Schema())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := parquet.NewGenericWriter[T](&out, options...)
	for _, group := range file.RowGroups() {
		rows := parquet.ConvertRowGroup(group, narrow).Rows()
		if _, err := parquet.CopyRows(w, rows); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// makeOlder changes all published files to what an older program would have left:
// without the columns returned and responsible_id.
func (p place) makeOlder(t *testing.T) {
	t.Helper()
	for _, m := range p.manifests(t) {
		for i := range m.Files {
			f := &m.Files[i]
			switch {
			case strings.HasPrefix(f.Path, "payments_changes/"):
				rewrite[olderChange](t, p.path(f.Path))
			case tableName.MatchString(f.Path):
				rewrite[olderPayment](t, p.path(f.Path))
				data, err := os.ReadFile(p.path(f.Path))
				if err == nil {
					err = os.WriteFile(p.current(), data, 0o600) // the newest one last
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			info, err := os.Stat(p.path(f.Path))
			if err != nil {
				t.Fatal(err)
			}
			f.Bytes, f.SHA256 = info.Size(), p.sum(t, f.Path)
		}
		m.SchemaVersion = schemas.Version - 1
		p.writeManifest(t, &m)
	}
}

// writeManifest stores a manifest with its checksum, as docs/dataset.md describes it.
func (p place) writeManifest(t *testing.T, m *pipeline.Manifest) {
	t.Helper()
	zeros := strings.Repeat("0", 64)
	m.Checksum = zeros
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	text := strings.Replace(string(data), `"checksum": "`+zeros, `"checksum": "`+hex.EncodeToString(sum[:]), 1)
	if err := os.WriteFile(p.path(runsFolder+"/"+string(m.Snapshot)+".json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withoutNewer returns lines of JSON without the columns that the older program did not
// have.
func withoutNewer(t *testing.T, lines []byte, want int) string {
	t.Helper()
	var b strings.Builder
	n := 0
	for line := range bytes.Lines(lines) {
		var row map[string]json.RawMessage
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		if len(row) < 17 {
			t.Fatalf("columns are missing: %s", line)
		}
		delete(row, "returned")
		delete(row, "responsible_id")
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
		n++
	}
	if n != want || n == 0 {
		t.Errorf("%d rows, want %d", n, want)
	}
	return b.String()
}

// Every command and engine reads the files of an older program. The next run fills the
// newer columns from its listing, and fetches only what changed.
func TestOlderDataset(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 31, Payments: 900, Odd: true, AllowRegets: true, Strict: t})
	p := newFolder(t)
	j := newJob(serve(t, portal, portal), p.url)
	full := j.write(t)
	j["mode"] = "incremental"
	file := j.write(t)
	first := runJob(t, p.env, file, 0)
	portal.Mutate(50, 1)
	second := runJob(t, p.env, file, 0)
	reads := []struct {
		args []string
		rows int64
	}{
		{[]string{"cat", file, "--format", "jsonl", "--limit", "0"}, second.Ledger.Rows()},
		{[]string{"cat", p.current(), "--format", "jsonl", "--limit", "0"}, second.Ledger.Rows()},
		{[]string{"cat", file, "--format", "jsonl", "--limit", "0", "--snapshot", string(first.Snapshot)}, first.Ledger.Rows()},
		{[]string{"cat", file, "--format", "jsonl", "--limit", "0", "--changes"}, second.Changes.Sum()},
		{[]string{"diff", file, string(first.Snapshot), string(second.Snapshot), "--json"}, second.Changes.Sum()},
	}
	var before []string
	for _, read := range reads {
		before = append(before, withoutNewer(t, output(t, p.env, read.args...), int(read.rows)))
	}

	p.makeOlder(t)
	// Their statistics of pages are wrong, like those of version 0.1.0.
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	if exit := start(t, p.env, "verify", file, "--all").Wait(t, ctx); exit.Code != 1 || !bytes.Contains(exit.Stdout, []byte("Version 0.1.0 wrote files so")) {
		t.Errorf("verify of older files: exit code %d\n%s%s", exit.Code, exit.Stdout, exit.Stderr)
	}
	output(t, p.env, "status", file)
	for i, read := range reads {
		after := output(t, p.env, read.args...)
		if got := withoutNewer(t, after, int(read.rows)); got != before[i] {
			t.Errorf("%v of older files: want -, got +:\n%.2000s", read.args, cmp.Diff(before[i], got))
		}
		if n := bytes.Count(after, []byte(`"responsible_id":null`)); n != int(read.rows) {
			t.Errorf("%v: responsible_id is null in %d of %d rows", read.args, n, read.rows)
		}
	}
	output(t, p.env, "cat", file, "--format", "arrow", "--limit", "0")
	output(t, p.env, "cat", file, "--expand", "--limit", "3", "--where", "responsible_id=null")

	portal.Mutate(50, 2)
	fetched := gets(portal)
	third := runJob(t, p.env, file, 0)
	const measuring = 48 // payments that are fetched to measure the dates of the listing, at most
	if fetched = gets(portal) - fetched; fetched > 50+measuring {
		t.Errorf("%d payments were fetched for 50 changes", fetched)
	}
	wantTable(t, p, portal)
	output(t, p.env, "verify", file)
	withoutNewer(t, output(t, p.env, "diff", file, string(second.Snapshot), string(third.Snapshot), "--json"), int(third.Changes.Sum()))
	duck := table.OpenDuckDB(t)
	execute(t, duck, p, printSQL(t, p.env, file))
	responsible := 0 // the number of payments with a responsible user
	for payment := range portal.All() {
		if payment.ResponsibleID != 0 {
			responsible++
		}
	}
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"SELECT count(*), count(responsible_id), count(DISTINCT id) FROM payments", []string{fmt.Sprint(third.Ledger.Rows()), fmt.Sprint(responsible), fmt.Sprint(third.Ledger.Rows())}},
		{"SELECT count(*), count(responsible_id), count(DISTINCT snapshot) FROM payments_history", []string{fmt.Sprint(first.Ledger.Rows() + second.Ledger.Rows() + third.Ledger.Rows()), fmt.Sprint(responsible), "3"}},
		{"SELECT count(*), count(responsible_id), count(DISTINCT snapshot) FROM payments_as_of('" + string(second.Snapshot) + "')", []string{fmt.Sprint(second.Ledger.Rows()), "0", "1"}},
		{"SELECT count(*) FILTER (snapshot = '" + string(second.Snapshot) + "'), count(*) FILTER (snapshot = '" + string(third.Snapshot) + "'), count(DISTINCT snapshot) FROM payments_changes",
			[]string{fmt.Sprint(second.Changes.Sum()), fmt.Sprint(third.Changes.Sum()), "3"}},
	} {
		if got := duck.Query(t, tt.query, 3)[0]; fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %v, want %v", tt.query, got, tt.want)
		}
	}
	// Other engines read the older files together with the newer ones.
	files := table.Quote(p.path("payments_history/*/*/*.parquet"))
	want := fmt.Sprint([][]string{{fmt.Sprint(first.Ledger.Rows() + second.Ledger.Rows() + third.Ledger.Rows()), fmt.Sprint(responsible)}})
	for engine, query := range map[string]string{
		"duckdb":     "SELECT count(*), count(responsible_id) FROM read_parquet(" + files + ", union_by_name = true)",
		"clickhouse": "SELECT count(), count(responsible_id) FROM file(" + files + ", Parquet) SETTINGS schema_inference_mode = 'union'",
	} {
		input, err := json.Marshal([]string{query})
		if err != nil {
			t.Fatal(err)
		}
		var answers [][][]string
		node(t, engine, input, &answers)
		if got := fmt.Sprint(answers[0]); got != want {
			t.Errorf("%s: %s rows, and those with responsible_id; want %s", engine, got, want)
		}
	}

	// A full run finds no changes.
	if last := runJob(t, p.env, full, 0); last.Changes.Sum() != 0 {
		t.Errorf("a full run after it has %d changes", last.Changes.Sum())
	}
}
