package jobfile

import (
	"fmt"
	"strings"
)

// file reads the job file's tree.
func (d *draft) file(root *node) {
	d.given[""] = place{line: root.line, column: root.column}
	if root.kind != mapping {
		d.add(Problem{
			Line: root.line, Column: root.column, What: "a job file has lines of `key: value`, but this is " + root.what(),
			Hint: "is the space behind a colon missing?",
		})
		return
	}
	d.section(root, "", tree, 0)
	if _, ok := d.given["include"]; ok && len(d.spec.Include) == 0 && !d.bad["include"] {
		d.problem("include", Problem{What: "has no file in it", Hint: "name one, or leave the key out"})
	}
	for i := range d.spec.Include {
		d.include(i)
	}
}

// section reads the keys of a mapping. at is the portal to which it belongs.
func (d *draft) section(n *node, path string, b *branch, at int) {
	lines := make(map[string]int)
	for _, p := range n.pairs {
		child := b.children[p.key]
		if child == nil {
			d.unknown(p, path, b)
			continue
		}
		if first, ok := lines[p.key]; ok {
			d.add(Problem{
				Line: p.line, Column: p.column, Path: join(path, p.key),
				What: fmt.Sprintf("is given twice, first in line %d", first),
			})
			continue
		}
		lines[p.key] = p.line
		d.key(p, join(path, p.key), child, at)
	}
	d.missing(path, b, lines)
}

// missing records the required keys that are missing, including those of missing
// sections.
func (d *draft) missing(path string, b *branch, lines map[string]int) {
	for _, name := range b.names {
		child := b.children[name]
		if _, ok := lines[name]; ok {
			continue
		}
		switch {
		case d.bad[join(path, name)]: // misspelled, and reported
		case child.key.Type == typeSections && lines["include"] > 0: // they are in other files
		case child.key.Required:
			d.problem(join(path, name), Problem{What: "is missing", Hint: example(child.key)})
		case !child.isLeaf() && !child.key.optional:
			d.missing(join(path, name), child, nil)
		}
	}
}

// example returns a key as it can be in a file.
func example(key *Key) string {
	if key.Type == typeSections {
		return "`" + key.Name() + ":` with a list of portals, each with a webhook"
	}
	return "for example `" + key.Name() + ": " + key.Example + "`"
}

// key reads the value of a known key.
func (d *draft) key(p pair, path string, b *branch, at int) {
	// A value of the wrong kind is reported at the key, because a mapping or a list has
	// no place of its own.
	where := place{line: p.line, column: p.column}
	n := p.value
	wrong := func(want string) {
		d.give(path, where)
		d.problem(path, Problem{What: "must be " + want + ", but is " + n.what()})
	}
	switch {
	case b.isLeaf() && n.kind == nothing:
		d.give(path, where)
		d.problem(path, Problem{What: "has no value", Hint: "give it one, or leave the key out"})
	case b.isLeaf() && b.key.reading.list:
		if n.kind == scalar && b.key.reading.lone {
			n = &node{kind: sequence, items: []*node{n}}
		}
		if n.kind != sequence {
			wrong("a list such as " + b.key.Example)
			return
		}
		d.give(path, where)
		d.list(n, path, b, at)
	case b.isLeaf():
		if n.kind != scalar {
			wrong("a single value")
			return
		}
		d.scalar(n, path, b.key, at)
	case b.key.Type == typeSections:
		d.portals(n, path, b, where, wrong)
	case n.kind == mapping || n.kind == nothing:
		d.give(path, where)
		if b.key.Path == "portals[].oauth" {
			d.addOAuth(at)
		}
		d.section(n, path, b, at)
	default:
		wrong("a section with " + alternatives(b.names))
	}
}

// portals reads the list of portals.
func (d *draft) portals(n *node, path string, b *branch, where place, wrong func(string)) {
	d.give(path, where)
	switch {
	case n.kind == nothing || n.kind == sequence && len(n.items) == 0:
		d.problem(path, Problem{What: "must have at least one portal", Hint: "a line `- webhook: ${B24_WEBHOOK}` under it"})
		return
	case n.kind != sequence:
		wrong("a list, each portal with a dash before it")
		return
	}
	for _, item := range n.items {
		at := d.addPortal()
		itemPath := fmt.Sprintf("%s[%d]", path, at)
		d.give(itemPath, place{line: item.line, column: item.column})
		if item.kind != mapping {
			d.problem(itemPath, Problem{What: "must be a portal with its keys, such as `webhook:`, but is " + item.what()})
			continue
		}
		d.section(item, itemPath, b, at)
	}
}

// list reads a list of single values.
func (d *draft) list(n *node, path string, b *branch, at int) {
	b.key.reading.reset(d.spec, at)
	for i, item := range n.items {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		if item.kind != scalar {
			d.give(itemPath, place{line: item.line, column: item.column})
			d.problem(itemPath, Problem{What: "must be a single value, but is " + item.what()})
			continue
		}
		d.scalar(item, itemPath, b.key, at)
	}
}

// scalar reads a single value, with its references replaced.
func (d *draft) scalar(n *node, path string, key *Key, at int) {
	e, problems := d.expand.expand(n.text)
	where := place{line: n.line, column: n.column, shown: shown(n.text)}
	if key.Secret && !e.whole {
		where.shown = hidden
	}
	if d.mayWithhold(key) && (len(problems) > 0 || key.reading.read(d.spec, at, e.text) != nil) {
		d.give(path, where)
		d.withheld[path] = true
		return
	}
	if len(problems) == 0 {
		d.value(path, key.Path, at, e.text, where)
		return
	}
	d.give(path, where)
	for _, f := range problems {
		d.problem(path, f)
	}
}

// unknown records a key that is not allowed here.
func (d *draft) unknown(p pair, path string, b *branch) {
	key := shownKey(p.key)
	problem := Problem{File: d.in, Line: p.line, Column: p.column, Path: join(path, key), What: "unknown key `" + key + "`"}
	if near := nearest(p.key, b.names); near != "" {
		problem.What += ", did you mean `" + near + "`?"
		d.bad[join(path, near)] = true
	} else if b == included {
		problem.What += " here"
		problem.Hint = "an included file has the key portals and nothing else"
	} else if sections := sectionsWith(p.key); len(sections) > 0 {
		problem.What += " here"
		problem.Hint = "it belongs " + strings.Join(sections, " or ")
	} else {
		problem.Hint = "known here: " + strings.Join(b.names, ", ")
	}
	d.problems = append(d.problems, problem)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
