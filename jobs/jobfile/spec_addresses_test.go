package jobfile

import (
	"strings"
	"testing"
)

// An address of the sink that would refer to another place than the user means is a
// problem, also if the path is relative to the job file's folder.
func TestAddressesOfSinks(t *testing.T) {
	for url, want := range map[string]string{
		"~/data":                         "begins with ~",
		"file:///~/data":                 "begins with ~",
		"s3://bucket/a#b":                "has a #",
		"file:///srv/a#b":                "has a #",
		"s3://bucket?region=x&prefix=a/": "has the parameter prefix or key",
		"gs://bucket/a?key=b":            "has the parameter prefix or key",
		"./~/data":                       "",
		"data#1":                         "",
		"s3://bucket/a%23b":              "",
	} {
		job := "version: 1\nname: payments\nportals:\n  - name: acme\n    plan: unlimited\n    webhook: https://acme.example/rest/1/abcdefgh12345678/\nsink:\n  url: \"" + url + "\"\n"
		_, err := Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
