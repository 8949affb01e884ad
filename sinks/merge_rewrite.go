package sinks

import (
	"cmp"
	"fmt"

	"github.com/parquet-go/parquet-go"
)

// whyRewrite returns why a table of payments must be written again although its rows
// are the same. It returns "" if the file, or row groups of it, may be kept unchanged:
// only files whose page indexes are correct, and that have the form of opts.
func whyRewrite(file *parquet.File, opts fileOptions) string {
	if layout, _ := file.Lookup(metaLayout); layout != fileLayout {
		return "version 0.1.0 wrote page indexes by which engines miss rows"
	}
	if len(file.Root().Columns()) != len(paymentTable.columns) {
		return "columns were added"
	}
	have, _ := file.Lookup(metaProfile)
	have = cmp.Or(have, profileStandard)
	if want := cmp.Or(opts.profile, profileStandard); have != want {
		return fmt.Sprintf("its profile is %s, and the job's %s", have, want)
	}
	want := opts.codec.CompressionCodec()
	for _, group := range file.Metadata().RowGroups {
		for i := range group.Columns {
			c := &group.Columns[i]
			if c.MetaData.Codec != want {
				return fmt.Sprintf("its compression is %s, and the job's %s", c.MetaData.Codec, want)
			}
			if c.ColumnIndexOffset == 0 || c.OffsetIndexOffset == 0 {
				return "it has no page indexes"
			}
		}
	}
	return ""
}
