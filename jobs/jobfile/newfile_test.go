package jobfile_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
)

// Whatever is requested, the written file loads without problems, and means the same as
// the corresponding flags.
func TestNewFileMeansWhatWasAsked(t *testing.T) {
	const hook = "https://acme.bitrix24.com/rest/1/abcdef/"
	lookup := func(name string) (string, bool) { return hook, name == "B24_WEBHOOK" }
	readFile := func(path string) ([]byte, error) {
		if path != "the webhook.txt" {
			return nil, fs.ErrNotExist
		}
		return []byte(hook + "\n"), nil
	}
	names := []string{"payments", "p", "1", "007", "0x10", "1e3", "1_000", "true", "no", "y", "null", "on", "a_b"}
	portals := []string{"acme", "1", "12-13", "2026-11-23", "no", "true", "nan", "a-b", "1e3", "0x1f"}
	sinks := []string{
		"data", "./a b/c", "/srv/x: y", "a #b", "${HOME}/x", "$${x", "ünïcode/данные", `quo"te\d`, "'single'", "- x", "{a: b}", "*a", "&a", "!x",
		"s3://warehouse/bitrix24?region=eu-central-1&use_path_style=true", "gs://b/p", "azblob://c/p", "file:///srv/data", "null", "yes", "1",
	}
	for _, webhook := range []string{"${B24_WEBHOOK}", "${file:the webhook.txt}"} {
		for _, mode := range []string{"incremental", "full"} {
			for _, plan := range []string{"", "standard", "enterprise", "unlimited"} {
				for i := range max(len(names), len(portals), len(sinks)) {
					f := jobfile.NewFile{
						Name: names[i%len(names)], Portal: portals[i%len(portals)], To: sinks[i%len(sinks)],
						Mode: mode, Plan: plan, Webhook: webhook, Enrich: []string{"get", "list"}[i%2], Command: "/bin/b24export run '/folder/a\n- 100%.yaml'", At: "02:30",
					}
					flags := map[string]string{"name": f.Name, "portal": f.Portal, "to": f.To, "mode": mode, "enrich": f.Enrich}
					if plan != "" {
						flags["plan"] = plan
					}
					want, err := jobfile.FromFlags(flags, hook)
					if err != nil {
						t.Fatalf("%q: %v", flags, err)
					}
					text := f.Bytes()
					got, err := jobfile.Parse("job.yaml", text, lookup, readFile)
					if err != nil {
						t.Fatalf("%q: %v\n%s", flags, err, text)
					}
					want.Sink.URL = localPath(want.Sink.URL)
					if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b bitrix.Secret) bool { return a == b })); diff != "" {
						t.Fatalf("%q (-asked for +written):\n%s\n%s", flags, diff, text)
					}
					if strings.Contains(string(text), "abcdef") || !strings.Contains(string(text), "30 02 * * * /bin/b24export run '/folder/a - 100\\%.yaml'\n") {
						t.Fatalf("written:\n%s", text)
					}
				}
			}
		}
	}
}

// localPath returns a path as a job file next to it means it.
func localPath(url string) string {
	if strings.Contains(url, "://") || strings.HasPrefix(url, "/") {
		return url
	}
	return filepath.Clean(url)
}
