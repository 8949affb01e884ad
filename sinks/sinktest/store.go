// Package sinktest is the contract suite of package sinks for stores and for datasets
// in them. It tests the stores of that package and real servers. It also has a store
// that fails on demand.
package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"b24export/sinks"
)

// RunStore tests that a store satisfies the contract of sinks.Store, including
// exclusive creation. open returns an empty store, another one each time, and cleans up
// after the test.
func RunStore(t *testing.T, open func(t *testing.T) sinks.Store) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, sinks.Store)
	}{
		{"objects come back as written", testObjects},
		{"absent objects", testAbsent},
		{"a failed put changes nothing", testFailedPut},
		{"a large object", testLarge},
		{"create is exclusive", testCreate},
		{"one of many creators wins", testCreateRace},
		{"reads are of one object", testReplaced},
		{"copy", testCopy},
		{"link", testLink},
		{"list", testList},
		{"a long list", testLongList},
		{"keys", testKeys},
		{"conditional writes are proved", testProbe},
		{"writers and readers at once", testConcurrent},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// put stores data under key.
func put(t *testing.T, s sinks.Store, key string, data []byte) {
	t.Helper()
	err := s.Put(t.Context(), key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// want checks that key has data.
func want(t *testing.T, s sinks.Store, key string, data []byte) {
	t.Helper()
	got, err := s.Read(t.Context(), key)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("read %s: got %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(data), data)
	}
}

// random returns n bytes that no store can compress.
func random(n int) []byte {
	rnd := rand.NewChaCha8([32]byte{byte(n)})
	data := make([]byte, n)
	rnd.Read(data)
	return data
}

func testObjects(t *testing.T, s sinks.Store) {
	for _, n := range []int{0, 1, 1000, 1 << 20} {
		key := fmt.Sprintf("a/b=%d/object.bin", n)
		put(t, s, key, random(n))
		want(t, s, key, random(n))
		put(t, s, key, random(n/2))
		want(t, s, key, random(n/2))
		obj, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if obj.Size() != int64(n/2) {
			t.Errorf("size %d, want %d", obj.Size(), n/2)
		}
		data, err := io.ReadAll(io.NewSectionReader(obj, 0, obj.Size()))
		if err != nil || !bytes.Equal(data, random(n/2)) {
			t.Errorf("open %s: other bytes, error %v", key, err)
		}
		if _, err := obj.ReadAt(make([]byte, 1), obj.Size()); !errors.Is(err, io.EOF) {
			t.Errorf("read behind the end: error %v, want EOF", err)
		}
		if err := obj.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		if _, err := s.Read(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read after delete: error %v, want one that is fs.ErrNotExist", err)
		}
	}
}

func testAbsent(t *testing.T, s sinks.Store) {
	ctx := t.Context()
	if _, err := s.Read(ctx, "no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read: %v, want an error that is fs.ErrNotExist", err)
	}
	if _, err := s.Open(ctx, "no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want an error that is fs.ErrNotExist", err)
	}
	if err := s.Copy(ctx, "copy", "no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy: %v, want an error that is fs.ErrNotExist", err)
	}
	if err := s.Delete(ctx, "no/such"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := s.SweepTemp(ctx, "no/", time.Hour); err != nil {
		t.Errorf("sweep: %v", err)
	}
	if keys := list(t, s, ""); len(keys) > 0 {
		t.Errorf("an empty store lists %q", keys)
	}
}

func testFailedPut(t *testing.T, s sinks.Store) {
	put(t, s, "there", []byte("before"))
	own := errors.New("no more rows")
	for _, key := range []string{"there", "new"} {
		// Small enough to be buffered, and large enough to be partly sent.
		for _, n := range []int{0, 10, 9 << 20} {
			err := s.Put(t.Context(), key, func(w io.Writer) error {
				if _, err := w.Write(random(n)); err != nil {
					return err
				}
				return own
			})
			if !errors.Is(err, own) {
				t.Errorf("put %s, failing after %d bytes: error %v, want the writer's", key, n, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Put(ctx, key, func(w io.Writer) error {
			if _, err := w.Write(random(10)); err != nil {
				return err
			}
			cancel()
			_, err := w.Write(random(9 << 20))
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("put %s, cancelled: error %v, want context.Canceled", key, err)
		}
	}
	want(t, s, "there", []byte("before"))
	if keys := list(t, s, ""); !slices.Equal(keys, []string{"there"}) {
		t.Errorf("the store lists %q, want only the object that was there", keys)
	}
}

func testLarge(t *testing.T, s sinks.Store) {
	data := random(20<<20 + 17) // several parts and blocks, and a rest
	err := s.Put(t.Context(), "large", func(w io.Writer) error {
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 100_000)
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.Open(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(obj, 0, obj.Size())); err != nil {
		t.Fatal(err)
	}
	if [32]byte(h.Sum(nil)) != sha256.Sum256(data) {
		t.Error("other bytes came back")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		off := rnd.IntN(len(data))
		n := rnd.IntN(min(len(data)-off, 5<<20))
		got := make([]byte, n)
		if _, err := obj.ReadAt(got, int64(off)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("read %d bytes at %d: %v", n, off, err)
		}
		if !bytes.Equal(got, data[off:off+n]) {
			t.Fatalf("read %d bytes at %d: other bytes", n, off)
		}
	}
}

func testCreate(t *testing.T, s sinks.Store) {
	ctx := t.Context()
	if err := s.Create(ctx, "x/one.json", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "x/one.json", []byte("yours")); !errors.Is(err, sinks.ErrExists) {
		t.Errorf("create over other bytes: error %v, want ErrExists", err)
	}
	if err := s.Create(ctx, "x/one.json", []byte("mine")); err != nil {
		t.Errorf("create of what an earlier try left: %v", err)
	}
	want(t, s, "x/one.json", []byte("mine"))
	if err := s.Delete(ctx, "x/one.json"); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "x/one.json", []byte("yours")); err != nil {
		t.Errorf("create after delete: %v", err)
	}
	want(t, s, "x/one.json", []byte("yours"))
}

func testCreateRace(t *testing.T, s sinks.Store) {
	const rounds, runners = 20, 8
	for round := range rounds {
		key := fmt.Sprintf("race/%d", round)
		var (
			wg   sync.WaitGroup
			won  atomic.Int32
			last atomic.Int32
		)
		start := make(chan struct{})
		for r := range runners {
			wg.Go(func() {
				<-start
				err := s.Create(t.Context(), key, fmt.Appendf(nil, "runner %d", r))
				switch {
				case err == nil:
					won.Add(1)
					last.Store(int32(r))
				case !errors.Is(err, sinks.ErrExists):
					t.Errorf("create %s: %v", key, err)
				}
			})
		}
		close(start)
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d runners created the same object", round, won.Load())
		}
		want(t, s, key, fmt.Appendf(nil, "runner %d", last.Load()))
	}
}

// testReplaced replaces an object between two reads of it.
func testReplaced(t *testing.T, s sinks.Store) {
	put(t, s, "a/b", bytes.Repeat([]byte("a"), 9<<20))
	for _, size := range []int{9 << 20, 3 << 20} {
		obj, err := s.Open(t.Context(), "a/b")
		if err != nil {
			t.Fatal(err)
		}
		defer obj.Close()
		p := make([]byte, 10)
		if _, err := obj.ReadAt(p, 0); err != nil {
			t.Fatal(err)
		}
		old := p[0]
		put(t, s, "a/b", bytes.Repeat([]byte{old + 1}, size))
		_, err = obj.ReadAt(p, 8<<20)
		if !errors.Is(err, sinks.ErrReplaced) && (err != nil || p[0] != old) {
			t.Errorf("read %q of a replaced object, error %v", p[:1], err)
		}
		put(t, s, "a/b", bytes.Repeat([]byte("x"), 9<<20))
	}
}

func testCopy(t *testing.T, s sinks.Store) {
	put(t, s, "from/a", random(3<<20))
	put(t, s, "to/b", []byte("before"))
	for range 2 {
		if err := s.Copy(t.Context(), "to/b", "from/a"); err != nil {
			t.Fatal(err)
		}
		want(t, s, "to/b", random(3<<20))
	}
	if err := s.Copy(t.Context(), "new/deep/c", "from/a"); err != nil {
		t.Fatal(err)
	}
	want(t, s, "new/deep/c", random(3<<20))
}

func testLink(t *testing.T, s sinks.Store) {
	put(t, s, "from/a", random(3<<20))
	put(t, s, "to/b", []byte("before"))
	for range 2 { // again, as after a death whose effect happened
		if err := s.Link(t.Context(), "to/b", "from/a"); err != nil {
			t.Fatal(err)
		}
		want(t, s, "to/b", random(3<<20))
	}
	if err := s.Link(t.Context(), "new/deep/c", "from/a"); err != nil {
		t.Fatal(err)
	}
	// Each name is a separate object: neither a replacement nor a deletion of one
	// changes another.
	put(t, s, "from/a", []byte("replaced"))
	want(t, s, "to/b", random(3<<20))
	if err := s.Delete(t.Context(), "to/b"); err != nil {
		t.Fatal(err)
	}
	want(t, s, "new/deep/c", random(3<<20))
	if err := s.Link(t.Context(), "to/d", "no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("link to an absent object: %v", err)
	}
	if keys := list(t, s, ""); !slices.Equal(keys, []string{"from/a", "new/deep/c"}) {
		t.Errorf("objects are left behind: %q", keys)
	}
}

// list returns the keys below prefix, and checks that they are in order.
func list(t *testing.T, s sinks.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for e, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		keys = append(keys, e.Key)
	}
	if !slices.IsSorted(keys) {
		t.Errorf("list %q: not in order: %q", prefix, keys)
	}
	return keys
}

func testList(t *testing.T, s sinks.Store) {
	// No key is another one's folder, because a store of files could not have both.
	all := []string{"a.b", "a/b", "a/b=1/c", "a/b=1/d", "a/b=10/c", "a0/b", "b/a"}
	for _, key := range all {
		put(t, s, key, []byte(key))
	}
	for _, tt := range []struct {
		prefix string
		keys   []string
	}{
		{"", all},
		{"a", []string{"a.b", "a/b", "a/b=1/c", "a/b=1/d", "a/b=10/c", "a0/b"}},
		{"a/", []string{"a/b", "a/b=1/c", "a/b=1/d", "a/b=10/c"}},
		{"a/b=1", []string{"a/b=1/c", "a/b=1/d", "a/b=10/c"}},
		{"a/b=1/", []string{"a/b=1/c", "a/b=1/d"}},
		{"a/b=1/d", []string{"a/b=1/d"}},
		{"c", nil},
		{"a/b=1/d/e", nil},
	} {
		if diff := difference(list(t, s, tt.prefix), tt.keys); diff != "" {
			t.Errorf("list %q: %s", tt.prefix, diff)
		}
	}
	before := time.Now().Add(-time.Hour)
	for e, err := range s.List(t.Context(), "b/") {
		if err != nil {
			t.Fatal(err)
		}
		if e.Size != 3 || e.ModTime.Before(before) {
			t.Errorf("list: %+v, want 3 bytes, written just now", e)
		}
	}
	for range s.List(t.Context(), "") {
		break // a reader may stop early
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(cancelled, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("list, cancelled: error %v, want context.Canceled", err)
		}
		break
	}
}

func difference(got, want []string) string {
	if slices.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("got %q, want %q", got, want)
}

func testLongList(t *testing.T, s sinks.Store) {
	const n = 1010 // more than a page of any store
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				if err := s.Create(t.Context(), fmt.Sprintf("long/%04d", i), []byte{1}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if keys := list(t, s, "long/"); len(keys) != n {
		t.Errorf("listed %d of %d", len(keys), n)
	}
}

func testKeys(t *testing.T, s sinks.Store) {
	for _, key := range []string{"a b/c+d=e&f/ü.parquet", "x/100%", "x/" + strings.Repeat("n", 200), "x/.hidden", "x/..y"} {
		put(t, s, key, []byte(key))
		want(t, s, key, []byte(key))
		if keys := list(t, s, key); !slices.Equal(keys, []string{key}) {
			t.Errorf("list %q: %q", key, keys)
		}
	}
	for _, key := range []string{"", ".", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", `a\b`, "a\x00b"} {
		if err := s.Create(t.Context(), key, []byte("x")); err == nil {
			t.Errorf("key %q was taken", key)
		}
		if _, err := s.Read(t.Context(), key); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %q: error %v, want one about the key", key, err)
		}
	}
}

func testProbe(t *testing.T, s sinks.Store) {
	if err := sinks.CheckConditional(t.Context(), s, "probes/"); err != nil {
		t.Error(err)
	}
	if keys := list(t, s, ""); len(keys) > 0 {
		t.Errorf("the probe left %q behind", keys)
	}
}

// testConcurrent checks that a reader finds one version of an object or another one,
// never a mixture or nothing, while it is replaced.
func testConcurrent(t *testing.T, s sinks.Store) {
	version := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 300_000+i) }
	put(t, s, "o/x", version(0))
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				data, err := s.Read(t.Context(), "o/x")
				if err != nil {
					t.Errorf("read while it is replaced: %v", err)
					return
				}
				if i := int(data[0] - 'a'); !bytes.Equal(data, version(i)) {
					t.Errorf("read a mixture of versions, %d bytes", len(data))
					return
				}
			}
		})
	}
	for i := range 20 {
		put(t, s, "o/x", version(i%5))
	}
	close(done)
	wg.Wait()
}
