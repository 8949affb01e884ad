package sinks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A flipped bit, a missing end or an exchanged file is found in every
// published file, and Verify names the file.
func TestVerifyFindsEveryFlip(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it slow, and it has no goroutines")
	}
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
		_, found, err := m.d.Verify(t.Context(), man.Snapshot)
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
	// The manifest protects itself: every reader returns an error, or Verify reports
	// it.
	wantManifestFound := func(what string, data []byte) {
		t.Helper()
		key := m.d.manifest(man.Snapshot)
		whole, err := m.s.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		putText(t, m.s, key, string(data))
		_, found, err := m.d.Verify(t.Context(), man.Snapshot)
		if err != nil || !slices.ContainsFunc(found, func(d Difference) bool { return d.File == key }) {
			t.Errorf("the manifest: %s was not found: %v, %v", what, found, err)
		}
		if _, err := m.d.Manifest(t.Context(), man.Snapshot); err != nil && !strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error does not name the manifest: %v", what, err)
		}
		putText(t, m.s, key, string(whole))
	}
	manifest, err := m.s.Read(t.Context(), m.d.manifest(man.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	for at := range manifest {
		data := slices.Clone(manifest)
		data[at] ^= 1 << (at % 8)
		wantManifestFound(fmt.Sprintf("a flipped bit at %d", at), data)
	}
	for _, n := range []int{0, 1, len(manifest) / 2, len(manifest) - 1} {
		wantManifestFound("a lost end", manifest[:n])
	}
	for _, edit := range [][2]string{
		{`"requests": `, `"requests": 1`}, {`"program": "`, `"program": "x`}, {`"checksum"`, `"sum"`}, {`"got": `, `"got": 1`},
	} {
		if edited := strings.Replace(string(manifest), edit[0], edit[1], 1); edited != string(manifest) {
			wantManifestFound("the edit "+edit[1], []byte(edited))
		} else {
			t.Errorf("the manifest has no %s", edit[0])
		}
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
	if _, found, err := m.d.Verify(t.Context(), man.Snapshot); err != nil || len(found) > 0 {
		t.Errorf("once all is as it was: %v, %v", found, err)
	}
}
