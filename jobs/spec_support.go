package jobs

import (
	"regexp"
	"slices"
)

// notYet are the values that a job file may have, and that this version of the
// program cannot do. They are refused rather than ignored. A row goes when the
// program can do it; the reference prints the table, and nothing else depends on
// it.
var notYet = []refusal{
	{path: "mode", values: []string{"backfill"}, text: "cannot be done by this version: use full or incremental"},
	{path: "source.since", values: []string{"orders", "events"}, text: "cannot be done by this version: use list"},
}

// refusal is a row of notYet: a key, as in the table of keys, the values of it
// (none: the key as such), and what to tell.
type refusal struct {
	path   string
	values []string
	text   string
}

// refuse notes what this version cannot do.
func (d *draft) refuse(rows []refusal) {
	for _, path := range d.order {
		for _, row := range rows {
			if generic(path) != row.path || d.bad[path] {
				continue
			}
			if row.values == nil || slices.Contains(row.values, d.given[path].text) {
				d.fault(path, fault{rule: row.text})
			}
		}
	}
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

// generic is a path as the table of keys has it.
func generic(path string) string { return index.ReplaceAllString(path, "[]") }

// keyAt finds a key by its path in the table, or by that of one of its values;
// nil if there is none.
func keyAt(path string) *Key {
	for i := range keys {
		if p := keys[i].Path; p == path || p+"[]" == path {
			return &keys[i]
		}
	}
	return nil
}
