package sinks

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go/format"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// Nothing in a file of the profile is newer than version 1 of the format, and the file
// has the same rows.
func TestProfileCompatible(t *testing.T) {
	rows := generate(4, 1, 120_000)
	for codec, want := range map[string]format.CompressionCodec{"snappy": format.Snappy, "none": format.Uncompressed} {
		opts := testFileOptions()
		opts.profile, opts.codec = profileCompatible, codecs[codec]
		data, f := writePayments(t, opts, rows)
		file, err := openParquet(object(data))
		if err != nil {
			t.Fatal(err)
		}
		if version := file.Metadata().Version; version != 1 {
			t.Errorf("footer of version %d", version)
		}
		if n := len(file.Metadata().RowGroups); n != 3 {
			t.Errorf("%d row groups", n)
		}
		for _, group := range file.Metadata().RowGroups {
			for i := range group.Columns {
				c := &group.Columns[i].MetaData
				plain := func(e format.Encoding) bool { return e == format.Plain || e == format.RLE } // RLE: of levels
				if c.Codec != want || c.DictionaryPageOffset != 0 || slices.ContainsFunc(c.Encoding, func(e format.Encoding) bool { return !plain(e) }) {
					t.Errorf("column %s: %s, %v", c.PathInSchema, c.Codec, c.Encoding)
				}
				start, end, err := parquetcheck.ChunkRange(c, int64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				pages, err := checkPages(data[start:end], c, group.NumRows)
				if err != nil {
					t.Errorf("column %s: %v", c.PathInSchema, err)
				}
				if len(pages) != 1 {
					t.Errorf("column %s: %d pages", c.PathInSchema, len(pages))
				}
				for _, p := range pages {
					if p.Kind != format.DataPage || p.Encoding != format.Plain {
						t.Errorf("column %s: a page of type %s in %s", c.PathInSchema, p.Kind, p.Encoding)
					}
				}
				var filtered bytes.Buffer // the filter removes statistics from page headers
				chunk := slices.Concat([]byte("PAR1"), data[start:end])
				if _, err := parquetcheck.NewHeaderFilter(&filtered).Write(chunk); err != nil || !bytes.Equal(filtered.Bytes(), chunk) {
					t.Errorf("column %s: a page has statistics, or %v", c.PathInSchema, err)
				}
			}
		}
		got, err := readPayments(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(len(rows), len(got)); diff != "" || !slices.Equal(rows, got) || f.Rows != int64(len(rows)) {
			t.Errorf("rows (-written +read):\n%s", diff)
		}
		if n := arrowTable(t, data).NumRows(); n != int64(len(rows)) {
			t.Errorf("Arrow reads %d rows", n)
		}
		checkBounds(t, data)
	}
}

// The first run after an upgrade, or after a change of profile or compression, writes
// the table in the new form, with the same rows and no changes. The next run may keep
// it.
func TestRewrite(t *testing.T) {
	m := newMerger(t, memStore(t))
	m.d.opts.Compression = "zstd"
	rows := generate(6, 1, 3000)
	last := m.last(rows)
	number := int64(90)
	// reason opens a snapshot's table and returns the result of whyRewrite.
	reason := func(man *pipeline.Manifest) string {
		t.Helper()
		data, err := m.s.Read(t.Context(), man.Files[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := openParquet(object(data))
		if err != nil {
			t.Fatal(err)
		}
		return whyRewrite(file, m.d.fileOptions(snapshot2))
	}
	if why := reason(last); why != "" {
		t.Errorf("just written, and to be written again: %s", why)
	}
	for _, tt := range []struct {
		name   string
		change func()
		want   string
	}{
		{"version 0.1.0", func() {
			data, err := m.s.Read(t.Context(), last.Files[0].Path)
			if err != nil {
				t.Fatal(err)
			}
			data = withTail(t, data, func(tail *parquetTail) {
				tail.meta.KeyValueMetadata = slices.DeleteFunc(tail.meta.KeyValueMetadata, func(kv format.KeyValue) bool { return kv.Key == metaLayout })
			})
			m.replace(&last.Files[0], data, true)
		}, "version 0.1.0"},
		{"no indexes", func() {
			data, err := m.s.Read(t.Context(), last.Files[0].Path)
			if err != nil {
				t.Fatal(err)
			}
			data = withTail(t, data, func(tail *parquetTail) { tail.meta.RowGroups[0].Columns[3].ColumnIndexOffset = 0 })
			m.replace(&last.Files[0], data, true)
		}, "no page indexes"},
		{"compression", func() { m.d.opts.Compression = "snappy" }, "its compression is ZSTD, and the job's SNAPPY"},
		{"profile", func() { m.d.opts.Profile = profileCompatible }, "its profile is standard, and the job's compatible"},
		{"profile back", func() { m.d.opts.Profile = profileStandard }, "its profile is compatible, and the job's standard"},
	} {
		tt.change()
		if why := reason(last); !strings.Contains(why, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.want)
		}
		number++
		m.cp.Segments, m.cp.Snapshot = nil, pipeline.SnapshotID(fmt.Sprintf("2026111%dT020000Z", number%10))
		res, got, changes := m.merge(last)
		if diff := cmp.Diff(rows, got); diff != "" || len(changes) > 0 {
			t.Errorf("%s: %d changes, rows (-before +after):\n%s", tt.name, len(changes), diff)
		}
		last = &pipeline.Manifest{
			Version: 1, Dataset: "payments", Portal: "acme", Snapshot: m.cp.Snapshot, SchemaVersion: schemas.Version,
			Ledger: pipeline.Ledger{Listed: res.Rows, Carried: res.Rows}, Totals: res.Totals, Files: res.Files,
		}
		if why := reason(last); why != "" {
			t.Errorf("%s: written again, and once more: %s", tt.name, why)
		}
		for _, f := range last.Files {
			v := &verifier{d: m.d, m: last}
			if err := v.file(t.Context(), f); err != nil || len(v.found) > 0 {
				t.Errorf("%s: %v, %v", tt.name, v.found, err)
			}
		}
	}
}
