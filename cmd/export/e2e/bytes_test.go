package e2e

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/parquet/file"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// TestSameBytes exports one state of a portal several times, with answers that arrive
// in different orders. With a clock that stands still, the tables have the same
// SHA-256. With a running clock they differ only in extracted_at.
func TestSameBytes(t *testing.T) {
	still := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	export := func(t *testing.T, concurrency, checkpointRows int, now func() time.Time) place {
		t.Helper()
		portal := bitrixtest.New(bitrixtest.Options{
			Seed: 4, Payments: 20_000, Odd: true, Unknown: true, Strict: t,
			Latency: time.Millisecond, Jitter: 4 * time.Millisecond,
		})
		p := newFolder(t)
		j := newJob(portal.Webhook("https://acme.bitrix24.com"), p.url).
			with("sink", "row_group_rows", 7000).
			with("checkpoint", "rows", checkpointRows)
		j["portals"].([]any)[0].(map[string]any)["limits"] = map[string]any{"operating": "0s", "concurrency": concurrency}
		spec, err := jobfile.Load(j.write(t), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := jobs.Run(t.Context(), spec, &jobs.RunOptions{
			Program: "b24export/e2e", Transport: portal.RoundTripper(), Now: now,
		})
		if len(outcomes) != 1 || outcomes[0].Err != nil {
			t.Fatalf("outcomes %+v", outcomes)
		}
		return p
	}
	stands := func() time.Time { return still }
	first := export(t, 1, 50_000, stands)
	second := export(t, 16, 3000, stands)
	if a, b := first.sum(t, currentTable), second.sum(t, currentTable); a != b {
		t.Errorf("with a clock that stands still the tables have SHA-256 %s and %s", a, b)
	}

	third, fourth := export(t, 16, 50_000, nil), export(t, 5, 1000, nil)
	duck := table.OpenDuckDB(t)
	want := duck.Payments(t, first.current())
	for _, p := range []place{third, fourth} {
		if diff := table.Diff(duck.Payments(t, p.current()), want); diff != "" {
			t.Errorf("another run's table differs:\n%s", diff)
		}
	}
	a, b := columnChunks(t, third.current()), columnChunks(t, fourth.current())
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d and %d column chunks", len(a), len(b))
	}
	for i := range a {
		if a[i].column != "extracted_at" && !bytes.Equal(a[i].data, b[i].data) {
			t.Errorf("row group %d, column %s: the bytes of two runs differ", a[i].group, a[i].column)
		}
	}
}

// columnChunk has the metadata of a column in a row group of a Parquet file.
type columnChunk struct {
	group  int
	column string
	data   []byte
}

func columnChunks(t testing.TB, path string) []columnChunk {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var chunks []columnChunk
	for g := range in.NumRowGroups() {
		group := in.MetaData().RowGroup(g)
		for c := range group.NumColumns() {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				t.Fatal(err)
			}
			from := chunk.DataPageOffset()
			if chunk.HasDictionaryPage() {
				from = min(from, chunk.DictionaryPageOffset())
			}
			chunks = append(chunks, columnChunk{
				g, in.MetaData().Schema.Column(c).Name(), data[from : from+chunk.TotalCompressedSize()],
			})
		}
	}
	return chunks
}
