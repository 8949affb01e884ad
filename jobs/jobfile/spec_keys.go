package jobfile

import (
	"slices"
	"strings"
)

// Key is one key of the job file. The table of them is what the file is read
// by, what flags are made from, and what the reference is printed from.
type Key struct {
	// Path is the key's place; [] stands for each element of a list.
	Path string
	// Type is the kind of its value: duration, name, section, …
	Type string
	// Rule says which values are allowed.
	Rule string
	// Names are the allowed values of a key that has a fixed choice, else nil.
	Names []string
	// Default is the value of a key that is not given, as a file would have
	// it; empty if there is none.
	Default string
	// Text is what the key means, in one line of Markdown.
	Text string
	// Example is a value as a file may have it.
	Example string
	// Flag is the flag of the key, without dashes; empty if it has none, as no
	// secret has, and nothing that belongs to one.
	Flag string
	// Secret keys' values are never shown.
	Secret bool
	// Required keys must be given wherever their section is.
	Required bool

	optional bool // of a section: what it lacks is not missing if it is not there
	reading  reading
}

// Name is the last part of the path: what stands in the file.
func (k *Key) Name() string {
	return strings.TrimSuffix(k.Path[strings.LastIndexByte(k.Path, '.')+1:], "[]")
}

// Keys are all keys, sections before what is in them, in the order in which the
// reference has them.
func Keys() []Key { return slices.Clone(keys) }

// The types of keys that have no value of their own.
const (
	typeSection  = "section"
	typeSections = "list of sections"
)

// keys is filled in at start-up, since the entries' types and rules come from
// their readings.
var keys = func() []Key {
	all := slices.Concat(jobKeys, portalKeys, sourceKeys, backfillKeys, sinkKeys, runKeys)
	for i := range all {
		if k := &all[i]; k.Type == "" {
			k.Type, k.Rule, k.Names = k.reading.typ, k.reading.rule, k.reading.names
		}
	}
	return all
}()

// branch is a key with what may stand under it.
type branch struct {
	key      *Key // nil for the file itself
	names    []string
	children map[string]*branch
}

// isLeaf reports whether the key has values, and nothing under it.
func (b *branch) isLeaf() bool { return b.key != nil && b.key.reading.read != nil }

// tree is the table as the file nests it.
var tree = func() *branch {
	root := &branch{children: make(map[string]*branch)}
	for i := range keys {
		at := root
		parts := strings.Split(strings.ReplaceAll(keys[i].Path, "[]", ""), ".")
		for _, name := range parts[:len(parts)-1] {
			at = at.children[name]
		}
		name := parts[len(parts)-1]
		at.names = append(at.names, name)
		at.children[name] = &branch{key: &keys[i], children: make(map[string]*branch)}
	}
	return root
}()

// sectionsWith says where a key of that name belongs, for those who put it into
// another section.
func sectionsWith(name string) []string {
	var found []string
	for i := range keys {
		if keys[i].Name() != name {
			continue
		}
		if dot := strings.LastIndexByte(keys[i].Path, '.'); dot >= 0 {
			found = append(found, "under "+keys[i].Path[:dot])
		} else {
			found = append(found, "at the top")
		}
	}
	return found
}
