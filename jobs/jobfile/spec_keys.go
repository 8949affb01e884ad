package jobfile

import (
	"slices"
	"strings"
)

// Key is one key of the job file. The table of keys drives the parser, the flags of
// the command run and the reference in docs/job-file.md.
type Key struct {
	// Path is the key's place, such as portals[].name; [] means each element of a list.
	Path string
	// Type is the kind of its value: duration, name, section, …
	Type string
	// Rule says which values are allowed.
	Rule string
	// Names are the allowed values of a key that has a fixed choice, else nil.
	Names []string
	// Default is the value of a key that is not given, as a file writes it; empty
	// if there is none.
	Default string
	// Text is the key's meaning, in one line of Markdown.
	Text string
	// Example is a value as a file writes it.
	Example string
	// Flag is the key's flag without dashes; empty if it has none. Secrets and the
	// keys that belong to them have none.
	Flag string
	// Secret reports whether the value must never be shown.
	Secret bool
	// Required reports whether the key must be given if its section is given.
	Required bool

	optional bool // of a section: its required keys are required only if the section is given
	reading  reading
}

// Name returns the last part of the path, which is the key as the file has it.
func (k *Key) Name() string {
	return strings.TrimSuffix(k.Path[strings.LastIndexByte(k.Path, '.')+1:], "[]")
}

// Keys returns all keys in the order of the reference. A section comes before the
// keys in it.
func Keys() []Key { return slices.Clone(keys) }

// The types of keys that have no value.
const (
	typeSection  = "section"
	typeSections = "list of sections"
)

// keys is completed at start-up: the types and rules of the entries come from their
// readings.
var keys = func() []Key {
	all := slices.Concat(jobKeys, portalKeys, sourceKeys, backfillKeys, sinkKeys, runKeys)
	for i := range all {
		if k := &all[i]; k.Type == "" {
			k.Type, k.Rule, k.Names = k.reading.typ, k.reading.rule, k.reading.names
		}
	}
	return all
}()

// branch is a key with the keys under it.
type branch struct {
	key      *Key // nil for the file itself
	names    []string
	children map[string]*branch
}

// isLeaf reports whether the key has a value, and no keys under it.
func (b *branch) isLeaf() bool { return b.key != nil && b.key.reading.read != nil }

// tree is the table of keys, nested as in the file.
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

// sectionsWith returns the places of the keys with this name, for the hint to a user
// who put a key into the wrong section.
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
