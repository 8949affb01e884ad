package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"b24export/schemas"
)

// TestDatasetIsDocumented: docs/dataset.md has the columns that there are.
func TestDatasetIsDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "dataset.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []tableName{payments, changes, rejects} {
		var columns bytes.Buffer
		if err := schemas.Format(&columns, name.schema(), "markdown"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(doc, columns.Bytes()) {
			t.Errorf("docs/dataset.md does not have the columns of %s; b24export schema --table %[1]s prints them", name)
		}
	}
}
