package sinks

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// oldS3 is a server of S3 over HTTP in memory. If refuse says so, it does not know
// conditional writes or the checksums of requests.
type oldS3 struct {
	// refuse returns an S3 error for a request. A status of 0 accepts the request.
	refuse func(r *http.Request) (status int, code, text string)

	mu      sync.Mutex
	objects map[string][]byte
}

func (s *oldS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if status, code, text := s.refuse(r); status != 0 {
		s.fail(w, status, code, text)
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	switch {
	case r.URL.Query().Get("list-type") == "2":
		s.list(w, r.URL.Query().Get("prefix"))
	case r.Method == http.MethodPut:
		s.objects[key] = body
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost: // of many deletions, which clients then do singly
		s.fail(w, http.StatusNotImplemented, "NotImplemented", "no such request")
	case s.objects[key] == nil:
		s.fail(w, http.StatusNotFound, "NoSuchKey", "no such key")
	default:
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(s.objects[key])))
	}
}

func (s *oldS3) fail(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, text)
}

func (s *oldS3) list(w io.Writer, prefix string) {
	type object struct {
		Key          string
		Size         int
		LastModified string
	}
	var answer struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []object
	}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(key, prefix) {
			answer.Contents = append(answer.Contents, object{key, len(s.objects[key]), time.Now().UTC().Format(time.RFC3339)})
		}
	}
	_ = xml.NewEncoder(w).Encode(answer) // the client notices an error
}

// open opens a store on the server, with additional parameters in its URL.
func (s *oldS3) open(t *testing.T, more string) Store {
	t.Helper()
	s.objects = make(map[string][]byte)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	store, err := OpenStore(t.Context(), "s3://bucket?region=us-east-1&use_path_style=true&endpoint="+server.URL+more, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// A store that refuses conditional writes works with unsafe_no_fencing. Without it, the
// error is ErrNoFencing, at once.
func TestStoreThatRefusesConditions(t *testing.T) {
	for _, status := range []int{http.StatusNotImplemented, http.StatusBadRequest} {
		for _, unsafe := range []bool{false, true} {
			t.Run(strconv.Itoa(status)+" unsafe "+strconv.FormatBool(unsafe), func(t *testing.T) {
				server := &oldS3{refuse: func(r *http.Request) (int, string, string) {
					if cmp.Or(r.Header.Get("If-None-Match"), r.Header.Get("If-Match")) != "" && r.Method == http.MethodPut {
						return status, "NotImplemented", "A header you provided implies functionality that is not implemented"
					}
					return 0, "", ""
				}}
				d := New(server.open(t, ""), &Options{Portal: "acme", UnsafeNoFencing: unsafe})
				_, err := d.Begin(t.Context())
				if unsafe && err != nil || !unsafe && (!errors.Is(err, ErrNoFencing) || errors.Is(err, ErrChecksums)) {
					t.Errorf("begin: %v", err)
				}
				if leases := len(server.objects); (leases > 0) != unsafe {
					t.Errorf("%d objects", leases)
				}
				if err := d.End(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A store that refuses the checksums of requests works with the parameter for them.
// Without it, the error is ErrChecksums.
func TestStoreThatRefusesChecksums(t *testing.T) {
	for name, more := range map[string]string{"as it is": "", "when required": "&request_checksum_calculation=when_required"} {
		t.Run(name, func(t *testing.T) {
			server := &oldS3{refuse: func(r *http.Request) (int, string, string) {
				for header := range r.Header {
					if header := strings.ToLower(header); strings.HasPrefix(header, "x-amz-checksum-") || header == "x-amz-sdk-checksum-algorithm" {
						return http.StatusBadRequest, "InvalidArgument", "Unsupported header '" + header + "' received for this API call."
					}
				}
				return 0, "", ""
			}}
			store := server.open(t, more)
			for what, err := range map[string]error{
				"create": store.Create(t.Context(), "x", []byte("mine")),
				"put": store.Put(t.Context(), "y", func(w io.Writer) error {
					_, err := w.Write([]byte("mine"))
					return err
				}),
			} {
				if more == "" && (!errors.Is(err, ErrChecksums) || errors.Is(err, ErrNoFencing)) || more != "" && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}
