package jobfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// maxReference bounds a file or variable that a job refers to: a secret is short, and a
// wrong path may lead to a file of any size.
const maxReference = 64 << 10

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander replaces the references of a job file.
type expander struct {
	lookup   func(string) (string, bool)
	readFile func(string) ([]byte, error)
	// folder is the folder of the current file; relative paths are relative to it.
	folder string
}

// expanded is a value with its references replaced.
type expanded struct {
	text string
	// whole reports whether the value is a single reference and nothing else. The
	// reference may then be shown instead of its value.
	whole bool
}

// expand replaces ${NAME} by the environment variable and ${file:PATH} by the file's
// content without a newline at its end. $${ represents ${ itself. The inserted text is
// not expanded again. expand returns a problem for each reference that it cannot
// replace.
func (x *expander) expand(text string) (expanded, []Problem) {
	var out strings.Builder
	var problems []Problem
	e := expanded{}
	for rest := text; ; {
		at := strings.Index(rest, "${")
		if at < 0 {
			out.WriteString(rest)
			break
		}
		if at > 0 && rest[at-1] == '$' {
			out.WriteString(rest[:at-1])
			out.WriteString("${")
			rest = rest[at+2:]
			continue
		}
		out.WriteString(rest[:at])
		name, behind, closed := strings.Cut(rest[at+2:], "}")
		if !closed {
			problems = append(problems, Problem{What: "has a ${ without its }", Hint: "for the characters themselves write $${"})
			break
		}
		// A secret may be between the braces by mistake, but a secret is not a name.
		isName := variableName.MatchString(name) || strings.HasPrefix(name, "file:")
		e.whole = isName && behind == "" && len(name)+len("${}") == len(text)
		value, f := x.resolve(name)
		if f != nil {
			problems = append(problems, *f)
		}
		out.WriteString(value)
		rest = behind
	}
	e.text = out.String()
	return e, problems
}

// resolve returns the value of the name between the braces.
func (x *expander) resolve(name string) (string, *Problem) {
	path, isFile := strings.CutPrefix(name, "file:")
	if isFile {
		return x.file(path)
	}
	if !variableName.MatchString(name) {
		return "", &Problem{What: "has a ${…} that is neither ${NAME} nor ${file:PATH}", Hint: "for the characters themselves write $${"}
	}
	value, ok := x.lookup(name)
	switch {
	case !ok:
		return "", &Problem{What: "environment variable " + name + " is not set"}
	case value == "":
		return "", &Problem{What: "environment variable " + name + " is empty"}
	case len(value) > maxReference:
		return "", &Problem{What: fmt.Sprintf("environment variable %s is longer than %d KiB", name, maxReference>>10)}
	}
	return value, nil
}

func (x *expander) file(path string) (string, *Problem) {
	if path == "" {
		return "", &Problem{What: "${file:} names no file"}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(x.folder, path)
	}
	data, err := x.readFile(path)
	name := shown(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &Problem{What: "file " + name + " does not exist", Hint: "relative paths begin at the folder of the file that they stand in"}
	case errors.Is(err, fs.ErrPermission):
		return "", &Problem{What: "file " + name + " may not be read by this user"}
	case errors.Is(err, errTooLong) || len(data) > maxReference:
		return "", &Problem{What: fmt.Sprintf("file %s is longer than %d KiB", name, maxReference>>10)}
	case err != nil:
		return "", &Problem{What: "file " + name + " cannot be read"}
	}
	// Editors on Windows write a byte order mark at the start of a file.
	text, crlf := strings.CutSuffix(strings.TrimPrefix(string(data), "\ufeff"), "\r\n")
	if !crlf {
		text = strings.TrimSuffix(text, "\n")
	}
	if text == "" {
		return "", &Problem{What: "file " + name + " is empty"}
	}
	return text, nil
}

// errTooLong is returned if a file is longer than allowed.
var errTooLong = errors.New("too long")
