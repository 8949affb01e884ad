package address

import (
	"path/filepath"
	"strings"
	"testing"
)

// parse returns the address of text, which must be valid.
func parse(t *testing.T, text string) Address {
	t.Helper()
	a, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestParts(t *testing.T) {
	for _, tt := range []struct {
		text, scheme, bucket, prefix, root, bare string
	}{
		{"s3://warehouse/b24/x/?region=eu-1&z=1", "s3", "warehouse", "b24/x/", "s3://warehouse?region=eu-1&z=1", "s3://warehouse/b24/x/"},
		{"gs://bucket", "gs", "bucket", "", "gs://bucket", "gs://bucket"},
		{"azblob://c//p//", "azblob", "c", "p/", "azblob://c", "azblob://c//p//"},
		{"S3://B/a%20b?%zz", "s3", "B", "a b/", "s3://B?%zz", "s3://B/a%20b"},
		{"s3://user:secret@b/p?key=secret", "s3", "b", "p/", "s3://user:secret@b?key=secret", "s3://b/p"},
	} {
		a := parse(t, tt.text)
		if got := [5]string{a.Scheme(), a.Bucket(), a.Prefix(), a.Root(), a.Bare()}; got != [5]string{tt.scheme, tt.bucket, tt.prefix, tt.root, tt.bare} {
			t.Errorf("%s: got %q", tt.text, got)
		}
		if a.IsFolder() || !IsURL(tt.text) || a.HasUser() != strings.Contains(tt.text, "user") || a.HasQuery() != strings.Contains(tt.text, "?") {
			t.Errorf("%s: folder %v, user %v, query %v", tt.text, a.IsFolder(), a.HasUser(), a.HasQuery())
		}
	}
	if got := parse(t, "s3://b?region=eu-1&z=1").Query().Get("region"); got != "eu-1" {
		t.Errorf("region %q", got)
	}
}

func TestFolders(t *testing.T) {
	for _, tt := range []struct {
		text, folder, asWritten string
		other                   bool
	}{
		{"data/b24/", "data/b24/", "data/b24", false},
		{"50%/a?b#c", "50%/a?b#c", "50%/a?b#c", false},
		{"", "", ".", false},
		{"file:///srv/data", "/srv/data", "/srv/data", false},
		{"file://localhost/srv/a%20b", "/srv/a b", "/srv/a%20b", false},
		{"file:///srv/a?b", "/srv/a", "/srv/a?b", false},
		{"file://srv/data", "/data", "/data", true},
	} {
		a := parse(t, tt.text)
		if !a.IsFolder() || a.Folder() != tt.folder || filepath.ToSlash(a.AsWritten()) != tt.asWritten || a.HasOtherHost() != tt.other {
			t.Errorf("%s: folder %v %q, as written %q, other host %v", tt.text, a.IsFolder(), a.Folder(), a.AsWritten(), a.HasOtherHost())
		}
	}
}

func TestFilePath(t *testing.T) {
	for _, tt := range []struct{ path, unix, windows string }{
		{"/srv/data", "/srv/data", "/srv/data"},
		{"/C:/data/b24", "/C:/data/b24", "C:/data/b24"},
		{"/c:", "/c:", "c:"},
		{"/C:data", "/C:data", "/C:data"},
		{"/CC:/data", "/CC:/data", "/CC:/data"},
		{"/1:/data", "/1:/data", "/1:/data"},
		{"/", "/", "/"},
		{"", "", ""},
	} {
		if got := filePath(tt.path, false); got != tt.unix {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.unix)
		}
		if got := filePath(tt.path, true); got != tt.windows {
			t.Errorf("%s on Windows: got %s, want %s", tt.path, got, tt.windows)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct{ text, parent, name string }{
		{"data/x.parquet", "data", "x.parquet"},
		{"x.parquet", ".", "x.parquet"},
		{"file:///srv/data/x.parquet", "file:///srv/data", "x.parquet"},
		{"s3://b/p/q/beta.json?region=r", "s3://b/p/q?region=r", "beta.json"},
		{"s3://b/a%2Fb/x%20y.json", "s3://b/a/b", "x y.json"},
		{"s3://b/beta.json", "s3://b/", "beta.json"},
		{"s3://b//p//beta.json", "s3://b/p", "beta.json"},
		{"s3://b/p/", "s3://b/p", ""},
		{"s3://b?region=r", "s3://b?region=r", ""},
	} {
		parent, name := parse(t, tt.text).Split()
		if parent.String() != tt.parent || name != tt.name {
			t.Errorf("%s: got %s and %q, want %s and %q", tt.text, parent, name, tt.parent, tt.name)
		}
	}
}

func TestObject(t *testing.T) {
	const key = "payments/portal=acme/payments.parquet"
	for text, want := range map[string]string{
		"data":                      "data/" + key,
		"./data/":                   "data/" + key,
		"file:///var/b24":           "/var/b24/" + key,
		"s3://w/b24?region=eu":      "s3://w/b24/" + key + "?region=eu",
		"gs://bucket":               "gs://bucket/" + key,
		"azblob://container/a%20b/": "azblob://container/a%20b/" + key,
	} {
		if got := filepath.ToSlash(parse(t, text).Object(key)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// An invalid address is an error, which does not quote parts that may be secret.
func TestNoAddress(t *testing.T) {
	const secret = "TOPSECRET"
	for _, text := range []string{
		"://" + secret, "1s3://" + secret, "a/b://" + secret, "s3:x://" + secret, "s3://b/%zz?" + secret, "s3://b/\x00?key=" + secret,
	} {
		if _, err := Parse(text); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"data/b24?x@y":              "data/b24?x@y",
		"s3://b/p":                  "s3://b/p",
		"s3://b/p?key=secret":       "s3://b/p?***",
		"s3://user:secret@b/p":      "s3://***@b/p",
		"s3://user:se@cret@b/p":     "s3://***@b/p",
		"https://%zz:secret@h/?a=b": "https://***@h/?***",
	} {
		if got := Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}
