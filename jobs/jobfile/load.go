package jobfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile is the largest size of a job file.
const maxFile = 4 << 20

// Load reads the job file at path. lookup returns the value of ${NAME}, as os.LookupEnv
// does. For a file that can be read but is not a valid job, the error is a *Problems
// with all problems.
func Load(path string, lookup func(string) (string, bool)) (*Spec, error) {
	return LoadWith(path, lookup, nil)
}

// LoadWith is like Load, with flags, by their names, that replace values of the file.
// The flag of a portal's key applies to every portal; the name of a portal cannot be
// replaced. If a flag changes the mode, LoadWith ignores the file's keys that belong to
// another mode. Without flags they are problems.
func LoadWith(path string, lookup func(string) (string, bool), flags map[string]string) (*Spec, error) {
	data, err := readUpTo(path, maxFile)
	if errors.Is(err, errTooLong) {
		return nil, tooLarge(path)
	}
	if err != nil {
		return nil, unread(path, err, "b24export init writes one", "name the file in it")
	}
	return parse(path, data, lookup, readReference, flags)
}

// LoadReading reads the job file at path for a command that only reads the dataset. It
// needs no secrets: the access to portals and notify may refer to variables and files
// that do not exist, and are then empty. A portal needs a name, or an address to derive
// it from.
func LoadReading(path string, lookup func(string) (string, bool)) (*Spec, error) {
	data, err := readUpTo(path, maxFile)
	if errors.Is(err, errTooLong) {
		return nil, tooLarge(path)
	}
	if err != nil {
		return nil, unread(path, err, "--from reads a dataset without one", "name the file in it, or read a dataset in this folder with --from")
	}
	return parseReading(path, data, lookup, readReference)
}

func parseReading(name string, data []byte, lookup func(string) (string, bool), readFile func(string) ([]byte, error)) (*Spec, error) {
	root, syntax := readYAML(data)
	if len(syntax) > 0 {
		return nil, (&Problems{File: name, Items: syntax}).asError()
	}
	d := newDraft(name, expander{lookup: lookup, readFile: readFile, folder: filepath.Dir(name)})
	d.withheld = make(map[string]bool)
	d.file(root)
	return d.finish()
}

// Reading returns a job for a command that only reads the dataset called name at url,
// with portals of these names. Problems name the flags.
func Reading(url, name string, portals []string) (*Spec, error) {
	d := newDraft("", expander{})
	d.withheld = make(map[string]bool)
	d.spec.Version = 1
	d.value("sink.url", "sink.url", 0, url, place{label: "--from", shown: shown(url)})
	d.value("name", "name", 0, name, place{label: "--name", shown: shown(name)})
	for _, portal := range portals {
		at := d.addPortal()
		d.spec.Portals[at].Name = portal
	}
	if err := (&Problems{Items: d.problems}).asError(); err != nil {
		return nil, err
	}
	return d.spec, nil
}

// Parse parses a job file's content. Problems contain name as the file's name, and
// relative paths are relative to its folder. readFile reads ${file:PATH} and included
// files.
func Parse(name string, data []byte, lookup func(string) (string, bool), readFile func(string) ([]byte, error)) (*Spec, error) {
	return parse(name, data, lookup, readFile, nil)
}

func tooLarge(name string) *Problems {
	return &Problems{File: name, Items: []Problem{{What: fmt.Sprintf("the file is larger than %d MiB; is it a job file?", maxFile>>20)}}}
}

func parse(name string, data []byte, lookup func(string) (string, bool), readFile func(string) ([]byte, error),
	flags map[string]string,
) (*Spec, error) {
	if len(data) > maxFile {
		return nil, tooLarge(name)
	}
	root, syntax := readYAML(data)
	if len(syntax) > 0 {
		return nil, (&Problems{File: name, Items: syntax}).asError()
	}
	d := newDraft(name, expander{lookup: lookup, readFile: readFile, folder: filepath.Dir(name)})
	d.file(root)
	d.override(flags)
	return d.finish()
}

// FromFlags returns a job from flags alone, by their names without dashes (an
// underscore may replace a dash), and from a webhook's address. The job has one portal,
// named after its host unless the flag portal names it. Problems name the flags, and
// B24_WEBHOOK for the webhook.
func FromFlags(values map[string]string, webhook string) (*Spec, error) {
	return fromFlags(values, webhook)
}

func fromFlags(values map[string]string, webhook string) (*Spec, error) {
	d := newDraft("", expander{})
	d.spec.Version, d.spec.Name = 1, "payments"
	d.addPortal()
	where := place{label: "B24_WEBHOOK", shown: hidden}
	if webhook != "" {
		d.value("portals[0].webhook", "portals[].webhook", 0, webhook, where)
	} else {
		where.shown = ""
		d.give("portals[0].webhook", where)
		d.problem("portals[0].webhook", Problem{What: "is not set", Hint: "it is the inbound webhook's address, https://HOST/rest/USER/SECRET/"})
	}
	d.override(values)
	if _, ok := d.given["sink.url"]; !ok {
		d.add(Problem{Path: "--to", What: "is missing", Hint: "a bucket such as s3://warehouse/bitrix24, or a path"})
	}
	return d.finish()
}

// override replaces values by those of the flags.
func (d *draft) override(flags map[string]string) {
	byFlag := make(map[string]*Key)
	var names []string
	for i := range keys {
		if f := keys[i].Flag; f != "" {
			byFlag[f] = &keys[i]
			names = append(names, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		dashed := strings.ReplaceAll(name, "_", "-")
		label := "--" + shownKey(dashed)
		key := byFlag[dashed]
		if key == nil {
			p := Problem{Path: label, What: "unknown flag"}
			if near := nearest(name, names); near != "" {
				p.What += ", did you mean --" + near + "?"
			}
			d.add(p)
			continue
		}
		if key.Path == "portals[].name" && d.name != "" {
			d.add(Problem{Path: label, What: "cannot rename the portals of a job file"})
			continue
		}
		for i := range d.instances(key) {
			path := strings.Replace(key.Path, "[]", fmt.Sprintf("[%d]", i), 1)
			d.flag(path, key, i, flags[name], label)
		}
	}
}

// instances returns how many places in the job the key has.
func (d *draft) instances(key *Key) int {
	if strings.HasPrefix(key.Path, "portals[]") {
		return len(d.spec.Portals)
	}
	return 1
}

// flag reads a flag's value; for a list, values separated by commas.
func (d *draft) flag(path string, key *Key, at int, text, label string) {
	// The file's value and its problems no longer matter.
	d.forget(path)
	where := place{label: label, shown: shown(text)}
	if !key.reading.list {
		d.value(path, key.Path, at, text, where)
		return
	}
	d.given[path] = where
	key.reading.reset(d.spec, at)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			where.shown = shown(item)
			d.value(path, key.Path, at, item, where)
		}
	}
}

// readReference reads a file that a job refers to or includes. Included files may be as
// large as a job file.
func readReference(path string) ([]byte, error) { return readUpTo(path, maxFile) }

// unread returns the error for a job file that cannot be read. missing and folder are
// the hints if there is no file, or a folder.
func unread(path string, err error, missing, folder string) error {
	var p Problem
	at, statErr := os.Stat(path)
	switch pathErr, ok := errors.AsType[*fs.PathError](err); {
	case errors.Is(statErr, fs.ErrNotExist):
		p = Problem{What: "the job file does not exist", Hint: missing}
	case statErr == nil && at.IsDir():
		p = Problem{What: "is a folder, not a job file", Hint: folder}
	case ok:
		p = Problem{What: "the job file cannot be read: " + pathErr.Err.Error()}
	default:
		p = Problem{What: "the job file cannot be read: " + err.Error()}
	}
	return &Problems{File: path, Items: []Problem{p}}
}

// readUpTo reads a file of at most that many bytes. The path may lead to a device that
// never ends.
func readUpTo(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLong
	}
	return data, err
}
