package sinks

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A flipped bit, a lost end or a file in another one's place is found, in
// whichever published file, and Verify says which.
func TestVerifyFindsEveryFlip(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	keys := []string{m.d.CurrentPath()}
	for _, f := range man.Files {
		keys = append(keys, f.Path)
	}
	whole := make(map[string][]byte)
	for _, key := range keys {
		data, err := m.s.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		whole[key] = data
	}
	if len(keys) != 4 {
		t.Fatalf("files %v, want a current table, a snapshot's, changes and rejects", keys)
	}
	wantFound := func(key, what string, data []byte) {
		t.Helper()
		putText(t, m.s, key, string(data))
		found, err := m.d.Verify(t.Context(), man)
		if err != nil {
			t.Fatalf("%s: %s: %v", key, what, err)
		}
		if len(found) == 0 {
			t.Errorf("%s: %s was not found", key, what)
		}
		for _, d := range found {
			if d.File != key {
				t.Errorf("%s: %s, and it names %s", key, what, d)
			}
		}
		putText(t, m.s, key, string(whole[key]))
	}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 200 {
		key := keys[rng.IntN(len(keys))]
		data := slices.Clone(whole[key])
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		wantFound(key, "a flipped bit", data)
	}
	for i, key := range keys {
		data := whole[key]
		for _, n := range []int{0, 1, len(data) / 2, len(data) - 8, len(data) - 1} {
			wantFound(key, "a lost end", data[:n])
		}
		if other := whole[keys[(i+1)%len(keys)]]; string(other) != string(data) {
			wantFound(key, "another file", other)
		}
	}
	if found, err := m.d.Verify(t.Context(), man); err != nil || len(found) > 0 {
		t.Errorf("once all is as it was: %v, %v", found, err)
	}
}
