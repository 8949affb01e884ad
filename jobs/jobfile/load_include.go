package jobfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// included are the keys that a file of portals may have: the key portals of a job file.
var included = &branch{
	names:    []string{"portals"},
	children: map[string]*branch{"portals": tree.children["portals"]},
}

// include reads the portals of an included file. Their numbers follow those of the
// existing ones. The file's references and paths are relative to its own folder.
func (d *draft) include(i int) {
	key := fmt.Sprintf("include[%d]", i)
	path := d.spec.Include[i]
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.expand.folder, path)
	}
	data, err := d.expand.readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.problem(key, Problem{What: "does not exist", Hint: "relative paths begin at the job file's folder"})
		return
	case errors.Is(err, fs.ErrPermission):
		d.problem(key, Problem{What: "may not be read by this user"})
		return
	case errors.Is(err, errTooLong) || len(data) > maxFile:
		d.problem(key, Problem{What: fmt.Sprintf("is larger than %d MiB; is it a list of portals?", maxFile>>20)})
		return
	case err != nil:
		d.problem(key, Problem{What: "cannot be read"})
		return
	}
	folder := d.expand.folder
	d.in, d.expand.folder = path, filepath.Dir(path)
	defer func() { d.in, d.expand.folder = "", folder }()
	root, syntax := readYAML(data)
	switch {
	case len(syntax) > 0:
		for _, p := range syntax {
			if p == emptyFile {
				p.Hint = "an included file is `portals:` with a list of portals"
			}
			d.add(p)
		}
	case root.kind != mapping:
		d.add(Problem{
			Line: root.line, Column: root.column, What: "an included file has the key portals, but this is " + root.what(),
			Hint: "a line `portals:` above the list",
		})
	default:
		// Problems of the file name this file, not the previous one.
		before := d.given[""]
		defer func() { d.given[""] = before }()
		d.given[""] = place{file: path, line: root.line, column: root.column}
		delete(d.given, "portals")
		delete(d.bad, "portals")
		d.section(root, "", included, 0)
	}
}

// portal returns the name of portal i in a problem of another portal.
func (d *draft) portal(i int) string {
	path := fmt.Sprintf("portals[%d]", i)
	if at := d.given[path]; len(d.spec.Include) > 0 && at.line > 0 {
		file := at.file
		if file == "" {
			file = d.name
		}
		return fmt.Sprintf("%s (%s:%d)", path, shown(file), at.line)
	}
	return path
}
