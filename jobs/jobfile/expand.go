package jobfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// maxReference is how long a file or variable that a job refers to may be: a
// secret is short, and a wrong path may lead to anything.
const maxReference = 64 << 10

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander replaces what a job file refers to.
type expander struct {
	lookup   func(string) (string, bool)
	readFile func(string) ([]byte, error)
	// folder is that of the file that is being read; relative paths begin there.
	folder string
}

// expanded is a value with its references replaced.
type expanded struct {
	text string
	// whole says that the value is one reference and nothing else, so that it
	// may be shown instead of what it stands for.
	whole bool
}

// expand replaces ${NAME} by the environment variable and ${file:PATH} by the
// file's content without a newline at its end; $${ stands for ${ itself. What
// is put in is not looked through again. What cannot be replaced is a problem,
// one for each.
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
		// A secret may stand between the braces by mistake, but not in a name.
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

// resolve returns what the name between the braces stands for.
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
	// Editors on Windows put a byte order mark before what they save.
	text, crlf := strings.CutSuffix(strings.TrimPrefix(string(data), "\ufeff"), "\r\n")
	if !crlf {
		text = strings.TrimSuffix(text, "\n")
	}
	if text == "" {
		return "", &Problem{What: "file " + name + " is empty"}
	}
	return text, nil
}

// errTooLong says that there is more in a file than may be read.
var errTooLong = errors.New("too long")
