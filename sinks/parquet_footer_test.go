package sinks

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// The form is the one that readers parse.
func TestCreatedBy(t *testing.T) {
	// The pattern of parquet-java's VersionParser, which Spark and Trino use.
	form := regexp.MustCompile(`^(.*?)\s+version\s*(?:([^(]*?)\s*(?:\(\s*build\s*([^)]*?)\s*\))?)?$`)
	for _, tt := range []struct{ program, build, want string }{
		{"b24export/1.2.3", "abcdef0", "b24export version 1.2.3 (build abcdef0)"},
		{"b24export/devel", "", "b24export version devel (build unknown)"},
		{"", "", "b24export version unknown (build unknown)"},
	} {
		opts := testFileOptions()
		opts.program, opts.build = tt.program, tt.build
		data, _ := writePayments(t, opts, generate(1, 1, 10))
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		got := f.Metadata().CreatedBy
		if parts := form.FindStringSubmatch(got); got != tt.want || len(parts) != 4 || parts[1] != "b24export" {
			t.Errorf("created by %q, want %q", got, tt.want)
		}
	}
}
