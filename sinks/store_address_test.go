package sinks

import (
	"strings"
	"testing"
)

// An address that would name another place than the user means is an error.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"mem://?prefix=a/":               "the parameters prefix",
		"s3://bucket?region=x&prefix=a/": "the parameters prefix",
		"s3://bucket/a?key=b":            "prefix and key",
		"s3://bucket/a#b?region=x":       "%23",
		"s3://bucket/a?region=x#":        "%23",
		"gs://bucket/#":                  "%23",
		"file:///srv/a#b":                "%23",
		"~/data":                         "./~",
		"~":                              "./~",
		"~joe/data":                      "./~",
		"file:///~/data":                 "./~",
		"./~/data":                       "",
		"data#1":                         "",
		"data?prefix=a":                  "",
		"s3://bucket/a%23b?region=x":     "",
	} {
		t.Chdir(t.TempDir())
		s, err := OpenStore(t.Context(), address, nil)
		if err == nil {
			s.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
