// Package address parses the address of a sink: a path, or the URL of a folder or of a
// bucket. It opens nothing and links no SDK, so that the rules by which a job file is
// checked are those by which a store is opened.
//
//	data/b24                          a path
//	file:///var/b24                   a folder, in a URL
//	s3://warehouse/b24?region=eu-1    a bucket, a prefix of its keys, parameters
//
// The package does not know which schemes exist.
package address

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// Address is a parsed address. The zero value is the path "".
type Address struct {
	path string // of an address that is not a URL
	url  *url.URL
	rest string // the text of a URL after ://, as written
}

var errNoScheme = errors.New("the part before :// is not a scheme")

// IsURL reports whether an address is a URL. Otherwise it is a path.
func IsURL(text string) bool { return strings.Contains(text, "://") }

// Parse parses an address. A path is never an error. The text of an error contains only
// the scheme of the address, because the parameters may contain secrets.
func Parse(text string) (Address, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return Address{path: text}, nil
	}
	u, err := url.Parse(text)
	if err == nil && !strings.EqualFold(u.Scheme, scheme) {
		err = errNoScheme
	}
	if err != nil {
		// The error of url.Parse quotes the URL with its parameters.
		var quoting *url.Error
		if errors.As(err, &quoting) {
			err = quoting.Err
		}
		return Address{}, fmt.Errorf("%s://…: %w", scheme, err)
	}
	return Address{url: u, rest: rest}, nil
}

// IsFolder reports whether a is a folder of this machine: a path or a file URL.
func (a Address) IsFolder() bool { return a.url == nil || a.url.Scheme == "file" }

// Folder returns the path of a folder in the form of the operating system. It is valid
// only if IsFolder.
func (a Address) Folder() string {
	if a.url == nil {
		return a.path
	}
	return filePath(a.url.Path, runtime.GOOS == "windows")
}

// HasOtherHost reports whether a folder is on another host than this one. No store can
// open it. It is often a file URL with two slashes instead of three.
func (a Address) HasOtherHost() bool {
	host := a.parts().Host
	return a.IsFolder() && host != "" && host != "localhost"
}

// AsWritten returns a folder or a file of this machine as Folder does, but with the
// escapes and parameters of a URL as they are written: file:///a%20b is /a%20b. Files
// of tokens have always had such names, and a login must not be lost.
func (a Address) AsWritten() string {
	if a.url == nil {
		return filepath.Clean(a.path)
	}
	return filepath.FromSlash(strings.TrimPrefix(a.rest, a.url.Host))
}

// filePath removes the slash before a drive's letter: file:///C:/data is C:/data.
func filePath(path string, windows bool) string {
	if windows && len(path) >= 3 && path[0] == '/' && path[2] == ':' && (len(path) == 3 || path[3] == '/') {
		if c := path[1] | 0x20; 'a' <= c && c <= 'z' {
			return path[1:]
		}
	}
	return path
}

// Scheme returns the scheme of a URL in lower case, "" for a path.
func (a Address) Scheme() string { return a.parts().Scheme }

// Bucket returns the bucket, which is the host of the URL; "" if there is none.
func (a Address) Bucket() string { return a.parts().Host }

// Path returns the path of a URL with its escapes decoded, or the path itself.
func (a Address) Path() string { return a.parts().Path }

// Prefix returns the text before each key in the bucket: "" or a path that ends with a
// slash.
func (a Address) Prefix() string {
	prefix := strings.Trim(a.parts().Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return prefix
}

// Query returns the parameters of a URL. Those that cannot be decoded are missing.
func (a Address) Query() url.Values { return a.parts().Query() }

// HasQuery reports whether a URL has parameters.
func (a Address) HasQuery() bool { return a.parts().RawQuery != "" }

// HasUser reports whether a URL has a user, with or without a password.
func (a Address) HasUser() bool { return a.parts().User != nil }

// HasHome reports whether a folder begins with ~, which only a shell replaces with the
// user's home folder.
func (a Address) HasHome() bool {
	return a.url == nil && strings.HasPrefix(a.path, "~") || a.Scheme() == "file" && strings.HasPrefix(a.url.Path, "/~")
}

// HasFragment reports whether a URL has a #. The text after it reaches no server.
func (a Address) HasFragment() bool { return strings.Contains(a.rest, "#") }

// Root returns the URL of the whole bucket, with the parameters and without the prefix.
func (a Address) Root() string {
	u := *a.parts()
	u.Path, u.RawPath = "", ""
	return u.String()
}

// Split returns the folder or prefix of an object or a file, and its name. The name is
// "" if the address ends with a slash or has no path.
func (a Address) Split() (parent Address, name string) {
	if a.url == nil {
		dir, name := filepath.Split(a.path)
		return Address{path: filepath.Clean(dir)}, name
	}
	dir, name := path.Split(a.url.Path)
	if dir != "" {
		dir = path.Clean(dir)
	}
	return a.with(dir), name
}

// Object returns the address of an object, whose key has slashes. In a folder it is the
// path in the form of the operating system; in a bucket it is the URL with the
// parameters.
func (a Address) Object(key string) string {
	if a.IsFolder() {
		return filepath.Join(a.Folder(), filepath.FromSlash(key))
	}
	return a.with(strings.TrimSuffix(a.url.Path, "/") + "/" + key).String()
}

// Bare returns the address without the parts that may contain secrets: the user and the
// parameters.
func (a Address) Bare() string {
	if a.url == nil {
		return a.path
	}
	return (&url.URL{Scheme: a.url.Scheme, Host: a.url.Host, Path: a.url.Path}).String()
}

// Bare returns an address without what may contain secrets; "" for a broken URL.
func Bare(text string) string {
	a, _ := Parse(text)
	return a.Bare()
}

// Redact returns a text with *** instead of the user and the parameters of an address.
// The text may be anything, such as an invalid address. A password may contain @.
func Redact(text string) string {
	const hidden = "***"
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return text
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest = hidden + rest[i:]
	}
	if path, _, ok := strings.Cut(rest, "?"); ok {
		rest = path + "?" + hidden
	}
	return scheme + "://" + rest
}

// String returns the whole address with its parameters.
func (a Address) String() string {
	if a.url == nil {
		return a.path
	}
	return a.url.String()
}

// parts returns the parts of a, which the caller must not change. A path has only the
// part Path.
func (a Address) parts() *url.URL {
	if a.url == nil {
		return &url.URL{Path: a.path}
	}
	return a.url
}

// with returns the URL a with another path.
func (a Address) with(path string) Address {
	u := *a.url
	u.Path, u.RawPath = path, ""
	return Address{url: &u}
}
