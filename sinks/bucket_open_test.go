package sinks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"b24export/sinks/parquetcheck"
)

func putAll(t *testing.T, s Store, key string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A reader never gets a mixture of two objects if the object is replaced between two
// reads.
func TestReadsAreOfOneObject(t *testing.T) {
	stores := map[string]func(t *testing.T) Store{
		"memory": func(t *testing.T) Store { return memStore(t) },
		"server": func(*testing.T) Store { return newServer().store(nil) },
		"folder": func(t *testing.T) Store {
			s, err := OpenFolder(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, open := range stores {
		for _, size := range []int{9 << 20, 3 << 20} {
			t.Run(name, func(t *testing.T) {
				s := open(t)
				defer s.Close()
				putAll(t, s, "x", bytes.Repeat([]byte("a"), 9<<20))
				obj, err := s.Open(t.Context(), "x")
				if err != nil {
					t.Fatal(err)
				}
				defer obj.Close()
				p := make([]byte, 100)
				if _, err := obj.ReadAt(p, 0); err != nil || p[0] != 'a' {
					t.Fatalf("read %q, error %v", p[:1], err)
				}
				putAll(t, s, "x", bytes.Repeat([]byte("b"), size))
				_, err = obj.ReadAt(p, 8<<20)
				if name == "folder" { // it continues with the file that was opened
					if err != nil || p[0] != 'a' {
						t.Errorf("read %q, error %v", p[:1], err)
					}
					return
				}
				if !errors.Is(err, ErrReplaced) || errors.Is(err, ErrUnavailable) {
					t.Errorf("read %q, error %v, want ErrReplaced", p[:1], err)
				}
			})
		}
	}
}

// replacing is a store whose object is replaced after it was opened.
type replacing struct {
	Store
	times int
	with  func()
}

func (s *replacing) Open(ctx context.Context, key string) (Object, error) {
	obj, err := s.Store.Open(ctx, key)
	if s.times--; s.times >= 0 {
		s.with()
	}
	return obj, err
}

// A table that is replaced while it is read is read again once from its start, and is
// not reported as corrupt.
func TestReplacedTableIsReadAgain(t *testing.T) {
	for _, times := range []int{0, 1, 2} {
		// More than the block that is fetched to open it.
		plain := testFileOptions()
		plain.codec = codecs["none"]
		data, _ := writePayments(t, plain, generate(1, 1, 90_000))
		other, _ := writePayments(t, plain, generate(2, 1, 80_000))
		if min(len(data), len(other)) <= 2<<20 {
			t.Fatalf("files of %d and %d bytes prove nothing", len(data), len(other))
		}
		inner := memStore(t)
		putAll(t, inner, "x.parquet", data)
		s := &replacing{Store: inner, times: times, with: func() { putAll(t, inner, "x.parquet", other) }}
		n := 0
		var failed error
		for _, err := range Payments(t.Context(), s, "x.parquet", Above(0)) {
			if failed = err; err == nil {
				n++
			}
		}
		want := map[int]int{0: 90_000, 1: 80_000}[times]
		if n != want || errors.Is(failed, ErrReplaced) != (times == 2) || errors.Is(failed, parquetcheck.ErrCorrupt) {
			t.Errorf("replaced %d times: %d rows, error %v", times, n, failed)
		}
		s.times = times
		name, err := Table(t.Context(), s, "x.parquet")
		if (err == nil) != (times < 2) || err == nil && name != "payments" || errors.Is(err, parquetcheck.ErrCorrupt) {
			t.Errorf("replaced %d times: table %q, error %v", times, name, err)
		}
	}
}
