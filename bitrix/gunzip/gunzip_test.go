package gunzip

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func pack(t testing.TB, content []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// contents are texts of many shapes: runs, random bytes, rows, all byte values.
func contents() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	skewed := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for i := range skewed { // some bytes are very rare, so their codes are long
		skewed[i] = byte(random.ExpFloat64() * 6)
	}
	var rows strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&rows, `{"id":%d,"accountNumber":"%d\/1","paid":"Y","datePaid":"2024-05-20T12:%02d:02+02:00","sum":%d.5},`, i, i*7, i%60, i*i%100003)
	}
	all := [][]byte{nil, []byte("x"), bytes.Repeat([]byte("a"), 70_000), bytes.Repeat([]byte("abc"), 30_000), noise, skewed, []byte(rows.String())}
	for n := range 40 {
		all = append(all, noise[:n], skewed[:n*13])
	}
	return append(all, append(bytes.Clone(noise[:40_000]), skewed...))
}

func TestAppend(t *testing.T) {
	for i, content := range contents() {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, 1, 6, 9} {
			file := pack(t, content, level)
			size, ok := Size(file)
			if !ok || size != int64(len(content)) {
				t.Fatalf("content %d: size %d, want %d", i, size, len(content))
			}
			got := Append(file, len(content))
			if got == nil || !bytes.Equal(got, content) {
				t.Fatalf("content %d, level %d: got %d bytes, want %d", i, level, len(got), len(content))
			}
			if cap(got) != len(got) {
				t.Errorf("room for %d more", cap(got)-len(got))
			}
		}
	}
}

// TestDamage: with any byte changed, or any byte cut, the complete decompressor decides.
func TestDamage(t *testing.T) {
	content := []byte(strings.Repeat(`{"id":17,"sum":12.50,"x":"yz"},`, 40) + "end")
	file := pack(t, content, 6)
	for i := range file {
		for _, bit := range []byte{1, 4, 128} {
			damaged := bytes.Clone(file)
			damaged[i] ^= bit
			check(t, damaged)
		}
		check(t, file[:i])
	}
	check(t, append(bytes.Clone(file), file...)) // two members
	check(t, append(bytes.Clone(file), 0))
}

// check compares with a complete decompressor.
func check(t *testing.T, file []byte) {
	t.Helper()
	size, ok := Size(file)
	if !ok || size > 1<<20 {
		return
	}
	got := Append(file, int(size))
	if got == nil {
		return
	}
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("%x: it is no gzip: %v", file, err)
	}
	want, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%x: got %d bytes, want %d, %v", file, len(got), len(want), err)
	}
}

// FuzzInflate: compress/flate reads everything that the decoder reads, to the same
// bytes. Without a checksum the fuzzer gets further.
func FuzzInflate(f *testing.F) {
	for _, content := range contents()[:12] {
		if file := pack(f, content[:min(len(content), 500)], 6); len(file) > headerSize+footerSize {
			f.Add(file[headerSize : len(file)-footerSize])
		}
	}
	f.Fuzz(func(t *testing.T, deflated []byte) {
		r := flate.NewReader(bytes.NewReader(deflated))
		want, wantErr := io.ReadAll(io.LimitReader(r, 1<<20))
		for _, size := range []int{len(want), max(0, len(want)-1), 1 << 10} {
			d := &decoder{src: append(bytes.Clone(deflated), make([]byte, 8)...)}
			dst := make([]byte, size+slack)
			end, n := d.inflate(dst, size)
			if end < 0 || end > len(deflated) || n > size {
				continue
			}
			if wantErr != nil || !bytes.Equal(dst[:n], want) {
				t.Fatalf("%x: got %d bytes, want %d, %v", deflated, n, len(want), wantErr)
			}
		}
	})
}
