package bitrix

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// TestReadAll reads bodies whose stated lengths are correct, missing and wrong.
func TestReadAll(t *testing.T) {
	pack := func(parts ...string) string {
		var b bytes.Buffer
		for _, part := range parts {
			z := gzip.NewWriter(&b)
			z.Write([]byte(part))
			z.Close()
		}
		return b.String()
	}
	lying := func(size string) string { // the length at the end is not that of the body
		p := pack("body")
		return p[:len(p)-4] + size
	}
	long := strings.Repeat("ab", 100_000)
	for _, tt := range []struct {
		name, sent, encoding string
		length               int64
		want                 string // "" for an error
	}{
		{"plain", long, "", int64(len(long)), long},
		{"of unknown length", long, "", -1, long},
		{"longer than said", long, "", 7, long},
		{"shorter than said", "x", "", 1 << 20, "x"},
		{"said to be too much", "x", "", 1 << 40, ""},
		{"zipped", pack(long), "gzip", int64(len(pack(long))), long},
		{"zipped, of unknown length", pack(long), "GZIP", -1, long},
		{"zipped in two parts", pack(long, "end"), "gzip", -1, long + "end"},
		{"zipped, said to be 4 GiB", lying("\xff\xff\xff\xff"), "gzip", -1, ""},
		{"zipped, said to be empty", lying("\x00\x00\x00\x00"), "gzip", -1, ""},
		{"zipped, cut", pack(long)[:50], "gzip", -1, ""},
		{"zipped, of two bytes", "\x1f\x8b", "gzip", -1, ""},
		{"zipped, empty", "", "gzip", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll(&http.Response{
				Header: http.Header{"Content-Encoding": {tt.encoding}}, ContentLength: tt.length,
				Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(tt.sent))),
			}, bodyLimit{most: maxAnswer})
			if (err == nil) != (tt.want != "") || string(got) != tt.want {
				t.Errorf("%d bytes, want %d; error %v", len(got), len(tt.want), err)
			}
			if cap(got) > len(got)*5/4+bytes.MinRead+8 {
				t.Errorf("%d bytes keep %d in memory", len(got), cap(got))
			}
		})
	}
	for _, encoding := range []string{"", "gzip"} {
		body := io.LimitReader(zeros{}, maxAnswer+5)
		if encoding != "" {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			io.Copy(z, body)
			z.Close()
			body = &b
		}
		_, err := readAll(&http.Response{Header: http.Header{"Content-Encoding": {encoding}}, ContentLength: -1, Body: io.NopCloser(body)}, bodyLimit{most: maxAnswer})
		if _, ok := errors.AsType[*tooLargeError](err); !ok {
			t.Errorf("%q: of more than the most, error %v", encoding, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
