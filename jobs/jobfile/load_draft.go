package jobfile

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"b24export/bitrix"
	"b24export/sinks/address"
)

// draft is an incomplete job: the spec, the source of each value, and the problems so
// far.
type draft struct {
	spec   *Spec
	name   string // of the job file; empty if there is none
	expand expander
	in     string // the included file that is being read; empty: the job file
	// given are the keys that were given, by their path with indices.
	given    map[string]place
	order    []string // the paths of given, in order
	problems []Problem
	bad      map[string]bool // paths with a problem
	// withheld are paths of secrets that are missing but not needed, because the job is
	// only read. It is nil if every secret is needed.
	withheld map[string]bool
}

// place is the source of a value.
type place struct {
	file         string // the included file; empty: the job file
	line, column int
	label        string // a flag, or a variable that replaces one
	shown        string // the value as a problem may show it
	text         string // the value itself; never shown
}

func newDraft(name string, x expander) *draft {
	d := &draft{
		spec: new(Spec), name: name, expand: x,
		given: make(map[string]place), bad: make(map[string]bool),
	}
	for i := range keys {
		if !strings.HasPrefix(keys[i].Path, "portals[]") {
			d.setDefault(&keys[i], 0)
		}
	}
	return d
}

// setDefault sets the key's default with the key's own reading. A default cannot be
// invalid: a test reads them all.
func (d *draft) setDefault(key *Key, at int) {
	if key.Default == "" {
		return
	}
	if !key.reading.list {
		_ = key.reading.read(d.spec, at, key.Default)
		return
	}
	for item := range strings.SplitSeq(strings.Trim(key.Default, "[]"), ",") {
		if item = strings.TrimSpace(item); item != "" {
			_ = key.reading.read(d.spec, at, item)
		}
	}
}

// addPortal appends a portal with all defaults except those of oauth, which it may not
// have.
func (d *draft) addPortal() int {
	at := len(d.spec.Portals)
	d.spec.Portals = append(d.spec.Portals, PortalSpec{})
	for i := range keys {
		if p := keys[i].Path; strings.HasPrefix(p, "portals[].") && !strings.HasPrefix(p, "portals[].oauth.") {
			d.setDefault(&keys[i], at)
		}
	}
	return at
}

// addOAuth adds the section oauth with its defaults to a portal.
func (d *draft) addOAuth(at int) {
	d.spec.Portals[at].OAuth = new(OAuthSpec)
	for i := range keys {
		if strings.HasPrefix(keys[i].Path, "portals[].oauth.") {
			d.setDefault(&keys[i], at)
		}
	}
}

// value reads a key's text, or one value of a list. where is its source.
func (d *draft) value(path, keyPath string, at int, text string, where place) {
	where.text = text
	d.give(path, where)
	key := keyAt(keyPath)
	if f := key.reading.read(d.spec, at, text); f != nil {
		d.problem(path, *f)
	}
}

func (d *draft) give(path string, where place) {
	if _, ok := d.given[path]; !ok {
		d.order = append(d.order, path)
	}
	where.file = d.in
	d.given[path] = where
}

// forget removes a path and its list items, including their problems.
func (d *draft) forget(path string) {
	under := func(p string) bool { return p == path || strings.HasPrefix(p, path+"[") }
	for p := range d.given {
		if under(p) {
			delete(d.given, p)
			delete(d.bad, p)
		}
	}
	kept := d.problems[:0]
	for _, p := range d.problems {
		if !under(p.Path) {
			kept = append(kept, p)
		}
	}
	d.problems = kept
	order := d.order[:0]
	for _, p := range d.order {
		if !under(p) {
			order = append(order, p)
		}
	}
	d.order = order
}

// add records a problem of the current file unchanged.
func (d *draft) add(p Problem) {
	p.File = d.in
	d.problems = append(d.problems, p)
	d.bad[p.Path] = true
}

// problem records a problem of the value at path. p contains What and Hint.
func (d *draft) problem(path string, p Problem) {
	where := d.where(path)
	p.File, p.Line, p.Column, p.Path = where.file, where.line, where.column, d.call(path)
	if given, ok := d.given[path]; ok {
		p.Value = given.shown
	}
	d.problems = append(d.problems, p)
	d.bad[path] = true
}

// where returns the place of path, or of the nearest section around it.
func (d *draft) where(path string) place {
	for {
		if p, ok := d.given[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.given[""]
		}
		path = path[:cut]
	}
}

// has reports whether the key was given, and has no problem so far.
func (d *draft) has(path string) bool {
	_, ok := d.given[path]
	return ok && !d.bad[path] && !d.withheld[path]
}

// mayWithhold reports whether the job is only read, and key is a key that is needed
// only to access a portal or to notify somebody.
func (d *draft) mayWithhold(key *Key) bool {
	return d.withheld != nil && !key.reading.list && (key.Secret || strings.HasPrefix(key.Path, "portals[].oauth.") || strings.HasPrefix(key.Path, "notify."))
}

// call returns what the user calls the key: its path, or the flag if there is no file
// or if the value is from the flag.
func (d *draft) call(path string) string {
	if p, ok := d.given[path]; ok && p.label != "" {
		return p.label
	}
	if d.name == "" {
		if key := keyAt(generic(path)); key != nil && key.Flag != "" {
			return "--" + key.Flag
		}
	}
	return path
}

// finish completes paths, compares the values with each other, and returns the spec if
// it has no problem.
func (d *draft) finish() (*Spec, error) {
	d.rules()
	if err := (&Problems{File: d.name, Items: d.problems}).asError(); err != nil {
		return nil, err
	}
	d.locate("source.ids.file", &d.spec.Source.IDs.File)
	before := d.spec.Sink.URL
	if d.locate("sink.url", &d.spec.Sink.URL); d.spec.Sink.URL != filepath.Clean(before) && d.spec.Sink.URL != before {
		d.spec.Sink.Former = before
	}
	for i := range d.spec.Portals {
		if o := d.spec.Portals[i].OAuth; o != nil {
			tokens := o.Tokens.Reveal()
			d.locate(fmt.Sprintf("portals[%d].oauth.tokens", i), &tokens)
			o.Tokens = bitrix.Secret(tokens)
		}
	}
	return d.spec, nil
}

// locate converts a path that is relative to the file's folder to one that is relative
// to the working directory. It does not change addresses.
func (d *draft) locate(key string, path *string) {
	if *path == "" || d.given[key].label != "" || address.IsURL(*path) || filepath.IsAbs(*path) {
		return
	}
	folder := d.expand.folder
	if file := d.given[key].file; file != "" {
		folder = filepath.Dir(file)
	}
	*path = filepath.Join(folder, *path)
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

// generic returns a path in the form of the table of keys.
func generic(path string) string { return index.ReplaceAllString(path, "[]") }

// keyAt finds a key by its path in the table, or by that of one of its values. It
// returns nil if there is none.
func keyAt(path string) *Key {
	for i := range keys {
		if p := keys[i].Path; p == path || p+"[]" == path {
			return &keys[i]
		}
	}
	return nil
}
