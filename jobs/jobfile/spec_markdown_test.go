package jobfile

import (
	"fmt"
	"strings"
)

// reference is the reference of the job file: for each section a heading, a sentence
// and a table of its keys. docs/job-file.md contains it between two markers.
func reference() string {
	var b strings.Builder
	b.WriteString("### The job\n\n")
	tableOf(&b, "", tree)
	sections(&b, tree)
	return b.String()
}

// sections writes the sections under a branch, each followed by its own sections.
func sections(b *strings.Builder, at *branch) {
	for _, name := range at.names {
		child := at.children[name]
		if child.isLeaf() {
			continue
		}
		fmt.Fprintf(b, "\n### `%s`\n\n%s\n\n", child.key.Path, child.key.Text)
		tableOf(b, child.key.Path+".", child)
		sections(b, child)
	}
}

// tableOf writes the table of a branch's values, and names the sections under it. A
// branch without values has no table.
func tableOf(b *strings.Builder, prefix string, at *branch) {
	var leaves []*Key
	var under []string
	for _, name := range at.names {
		if child := at.children[name]; child.isLeaf() {
			leaves = append(leaves, child.key)
		} else {
			under = append(under, "`"+child.key.Path+"`")
		}
	}
	if len(leaves) > 0 {
		b.WriteString("| key | value | default | flag | meaning |\n|---|---|---|---|---|\n")
		for _, k := range leaves {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", strings.TrimPrefix(k.Path, prefix), valueCell(k), defaultCell(k), flagCell(k), cell(k.Text))
		}
	}
	if len(under) > 0 {
		if len(leaves) > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "Sections in it: %s.\n", strings.Join(under, ", "))
	}
}

func valueCell(k *Key) string {
	s := k.Rule
	if (k.Type != "name" || k.Names == nil) && k.Type != k.Rule {
		s = k.Type + ": " + s
	}
	return cell(s + "; such as `" + k.Example + "`")
}

func defaultCell(k *Key) string {
	switch {
	case k.Required:
		return "required"
	case k.Default == "":
		return "–"
	}
	return "`" + k.Default + "`"
}

func flagCell(k *Key) string {
	if k.Flag == "" {
		return "–"
	}
	return "`--" + k.Flag + "`"
}

// cell returns s escaped for a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
