package sinks

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// operations are all operations of a store, each on an object "x".
var operations = map[string]func(ctx context.Context, s Store) error{
	"read": func(ctx context.Context, s Store) error {
		_, err := s.Read(ctx, "x")
		return err
	},
	"open": func(ctx context.Context, s Store) error {
		obj, err := s.Open(ctx, "x")
		if err != nil {
			return err
		}
		defer obj.Close()
		_, err = obj.ReadAt(make([]byte, 3), 0)
		return err
	},
	"put": func(ctx context.Context, s Store) error {
		return s.Put(ctx, "x", func(w io.Writer) error {
			_, err := io.WriteString(w, "new")
			return err
		})
	},
	"create": func(ctx context.Context, s Store) error { return s.Create(ctx, "y", []byte("mine")) },
	"copy":   func(ctx context.Context, s Store) error { return s.Copy(ctx, "z", "x") },
	"delete": func(ctx context.Context, s Store) error { return s.Delete(ctx, "x") },
	"list": func(ctx context.Context, s Store) error {
		for _, err := range s.List(ctx, "") {
			if err != nil {
				return err
			}
		}
		return nil
	},
}

func TestTemporaryFaultsAreRetried(t *testing.T) {
	for name, op := range operations {
		for _, fault := range []error{errBusy, errReset} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer()
					s.objects["x"] = []byte("old")
					left := 4
					s.before = func(string, string) error {
						if left--; left >= 0 {
							return fault
						}
						return nil
					}
					if err := op(t.Context(), s.store(nil)); err != nil {
						t.Errorf("after 4 times %v: %v", fault, err)
					}
				})
			})
		}
	}
}

func TestPatienceEnds(t *testing.T) {
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.before = func(string, string) error { return errBusy }
				start := time.Now()
				err := op(t.Context(), s.store(&StoreOptions{Patience: time.Minute}))
				if !errors.Is(err, ErrUnavailable) {
					t.Errorf("error %v, want ErrUnavailable", err)
				}
				if took := time.Since(start); took < 30*time.Second || took > time.Minute {
					t.Errorf("gave up after %s, patience is 1m", took)
				}
			})
		})
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.hang = func(string, string) bool { return true }
				start := time.Now()
				err := op(t.Context(), s.store(&StoreOptions{Patience: 10 * time.Minute}))
				if !errors.Is(err, ErrUnavailable) {
					t.Errorf("error %v, want ErrUnavailable", err)
				}
				// The time counts from the first fault, which takes an attempt's limit.
				limit := 10*time.Minute + 2*attemptLimit
				if name == "copy" {
					limit = 10*time.Minute + copyLimit + time.Minute
				}
				if took := time.Since(start); took < 10*time.Minute || took > limit {
					t.Errorf("gave up after %s, patience is 10m", took)
				}
			})
		})
	}
}

// The client of Azure returns errors of several lines, with the body of the answer.
func TestErrorsAreOneLine(t *testing.T) {
	answer := func(status int, text string) error {
		const body = "<?xml version=\"1.0\"?><Error><Code>AuthorizationFailure</Code><Message>No.\nTime:2026-11-22T02:00:00Z</Message></Error>"
		return runtime.NewResponseError(&http.Response{
			StatusCode: status, Status: text, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
			Request: httptest.NewRequest(http.MethodGet, "https://acme.blob.core.windows.net/c/x?sig=TOPSECRET", nil),
		})
	}
	for _, tt := range []struct {
		name  string
		fault error
		want  string
	}{
		{"refused", answer(403, "403 This request is not authorized."), "GET https://acme.blob.core.windows.net/c/x: 403 This request is not authorized.: AuthorizationFailure"},
		{"busy", answer(503, "503 Busy"), "503 Busy: AuthorizationFailure"},
		{"not from a server", errors.New("no answer:\n\tfirst\n\tsecond"), "no answer: first second"},
	} {
		for name, op := range operations {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer()
					s.before = func(string, string) error { return tt.fault }
					err := op(t.Context(), s.store(nil))
					if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n<") {
						t.Errorf("got  %v\nwant one line with %s", err, tt.want)
					}
				})
			})
		}
	}
}

func TestRefusalsAreNotRetried(t *testing.T) {
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.before = func(string, string) error { return errForbidden }
				start := time.Now()
				if err := op(t.Context(), s.store(nil)); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("error %v, want one that is fs.ErrPermission", err)
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.before = func(string, string) error { return errBusy }
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				if err := op(ctx, s.store(nil)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want the context's", err)
				}
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("took %s, want 5s", took)
				}
			})
		})
	}
}

func TestCreateWithALostAnswer(t *testing.T) {
	lose := func(s *server) {
		s.after = func(op, _ string) error {
			if op == "put" {
				s.after = nil
				return errReset
			}
			return nil
		}
	}
	t.Run("ours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			lose(s)
			if err := s.store(nil).Create(t.Context(), "y", []byte("mine")); err != nil {
				t.Error(err)
			}
			if n := s.count("put"); n != 2 {
				t.Errorf("%d puts, want one whose answer was lost and one that was refused", n)
			}
		})
	})
	t.Run("another one's", func(t *testing.T) {
		s := newServer()
		s.objects["y"] = []byte("yours")
		if err := s.store(nil).Create(t.Context(), "y", []byte("mine")); !errors.Is(err, ErrExists) {
			t.Errorf("error %v, want ErrExists", err)
		}
	})
	t.Run("nobody's", func(t *testing.T) {
		// So Azurite answers where blocks of an upload are that was never completed.
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.before = func(op, _ string) error {
				if op == "put" {
					return errCondition
				}
				return nil
			}
			err := s.store(nil).Create(t.Context(), "y", []byte("mine"))
			if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "incomplete upload") {
				t.Errorf("error %v, want ErrUnavailable that names what can hold the name", err)
			}
		})
	})
	t.Run("deleted before it could be read back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.objects["y"] = []byte("yours")
			s.before = func(op, _ string) error {
				if op == "get" {
					s.mu.Lock()
					defer s.mu.Unlock()
					delete(s.objects, "y")
				}
				return nil
			}
			if err := s.store(nil).Create(t.Context(), "y", []byte("mine")); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestPutWritesAgainAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.objects["x"] = []byte("old")
		fails := 2
		s.before = func(op, _ string) error {
			if op == "put" && fails > 0 {
				fails--
				return errBusy
			}
			return nil
		}
		writes := 0
		err := s.store(nil).Put(t.Context(), "x", func(w io.Writer) error {
			writes++
			_, err := io.WriteString(w, strings.Repeat("new", 1_000_000))
			return err
		})
		if err != nil || writes != 3 || string(s.objects["x"]) != strings.Repeat("new", 1_000_000) {
			t.Errorf("error %v after %d writes, %d bytes arrived", err, writes, len(s.objects["x"]))
		}
	})
}

func TestPutGivesUpAStalledUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		hangs := 1
		s.hang = func(op, _ string) bool {
			hangs--
			return hangs >= 0
		}
		start := time.Now()
		err := s.store(nil).Put(t.Context(), "x", func(w io.Writer) error {
			_, err := w.Write(make([]byte, 1<<20)) // more than the buffer
			return err
		})
		if err != nil || len(s.objects["x"]) != 1<<20 {
			t.Errorf("error %v, %d bytes arrived", err, len(s.objects["x"]))
		}
		if took := time.Since(start); took < time.Minute || took > 61*time.Second {
			t.Errorf("took %s, want a stall of 1m and one more try", took)
		}
	})
}

func TestCopyThroughThisMachine(t *testing.T) {
	s := newServer()
	s.objects["x"] = []byte(strings.Repeat("row", 2<<20))
	s.before = func(op, _ string) error {
		if op == "copy" {
			return errBadRequest
		}
		return nil
	}
	if err := s.store(nil).Copy(t.Context(), "z", "x"); err != nil {
		t.Fatal(err)
	}
	if string(s.objects["z"]) != string(s.objects["x"]) {
		t.Error("other bytes arrived")
	}
}

func TestConditionsThatAreIgnoredAreFound(t *testing.T) {
	s := newServer()
	s.lax = true
	err := CheckConditional(t.Context(), s.store(nil), "p/")
	if !errors.Is(err, ErrNoFencing) {
		t.Errorf("error %v, want ErrNoFencing", err)
	}
	if len(s.objects) > 0 {
		t.Errorf("the probe left %d objects behind", len(s.objects))
	}
	s.lax = false
	if err := CheckConditional(t.Context(), s.store(nil), "p/"); err != nil {
		t.Error(err)
	}
}

func TestErrorsHideSecrets(t *testing.T) {
	s := newServer()
	s.before = func(string, string) error {
		return &statusError{400, `Put "https://user:hunter2@host/bucket/x?sig=TOPSECRET&se=2026": broken`}
	}
	err := s.store(nil).Delete(t.Context(), "x")
	if err == nil || strings.Contains(err.Error(), "TOPSECRET") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	if want := `delete x: status 400 Put "https://host/bucket/x": broken`; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	for _, url := range []string{
		"s3://AKIA:TOPSECRET@bucket", "s3://bucket?nosuch=TOPSECRET", "ftp://host/x?a=TOPSECRET", "s3://bu\x7fcket?TOPSECRET",
		"azblob://c?domain=TOPSECRET&nosuch=1", "file:///x?TOPSECRET",
	} {
		st, err := OpenStore(t.Context(), url, nil)
		if err == nil {
			st.Close()
			t.Errorf("%s was opened", url)
		} else if strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("error %v", err)
		}
	}
}

func TestReadAheadAsksForBlocks(t *testing.T) {
	const size = 11*blockSize + 5
	var asked []int64
	r := newReadAhead(size, func(p []byte, off int64) error {
		asked = append(asked, off/blockSize)
		for i := range p {
			p[i] = byte((off + int64(i)) / blockSize)
		}
		return nil
	})
	p := make([]byte, 1000)
	for off := int64(0); off < size; off += 900 {
		n, err := r.ReadAt(p, off)
		if int64(n) != min(1000, size-off) || (err == io.EOF) != (n < 1000) {
			t.Fatalf("read at %d: %d bytes, error %v", off, n, err)
		}
		if p[0] != byte(off/blockSize) || p[n-1] != byte((off+int64(n)-1)/blockSize) {
			t.Fatalf("read at %d: other bytes", off)
		}
	}
	if len(asked) != 12 {
		t.Errorf("asked for blocks %v, want each once", asked)
	}
	fail := newReadAhead(size, func([]byte, int64) error { return errBusy })
	for range 2 {
		if _, err := fail.ReadAt(p, 0); !errors.Is(err, errBusy) {
			t.Errorf("error %v, want the storage's", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(p, 0); err == nil {
		t.Error("a closed object can be read")
	}
}

// codedError is an S3 error with its code.
type codedError struct {
	statusError
	code string
}

func (e *codedError) Error() string     { return e.code }
func (e *codedError) ErrorCode() string { return e.code }

// Not every conflict is temporary: an obstacle is reported at once.
func TestConflicts(t *testing.T) {
	for code, passes := range map[string]bool{
		"ConditionalRequestConflict": true, "OperationAborted": true, "": true,
		"ObjectParentIsFile": false, "BucketAlreadyExists": false, "InvalidBucketState": false,
	} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				fails := 1
				s.before = func(op, _ string) error {
					if fails--; fails >= 0 {
						return &codedError{statusError{409, code}, code}
					}
					return nil
				}
				start := time.Now()
				err := s.store(nil).Create(t.Context(), "y", []byte("mine"))
				if (err == nil) != passes || err != nil && (errors.Is(err, ErrUnavailable) || time.Since(start) != 0 || !strings.Contains(err.Error(), code)) {
					t.Errorf("error %v after %s", err, time.Since(start))
				}
			})
		})
	}
}
