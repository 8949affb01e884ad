package bitrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func tokenFile(t *testing.T, doc string) (*TokenFile, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tokens.json")
	if doc != "" {
		if err := os.WriteFile(name, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return NewTokenFile(name), name
}

// TestTokenFileThatIsWrong: each problem has one clear sentence, which names the file
// and shows none of its content.
func TestTokenFileThatIsWrong(t *testing.T) {
	const good = `{"refresh_token":"` + testSecret + `"}`
	for _, tt := range []struct {
		name, doc string
		edit      func(t *testing.T, name string) error
		code      string
		want      string
	}{
		{"absent", "", nil, CodeNoTokens, "does not exist"},
		{"empty", " \n", nil, CodeBadTokens, "is empty"},
		{"a list", `["` + testSecret + `"]`, nil, CodeBadTokens, "is not a JSON object"},
		{"cut off", `{"refresh_token":"` + testSecret, nil, CodeBadTokens, "is broken JSON near byte"},
		{"twice the same name", `{"refresh_token":"` + testSecret + `","refresh_token":"b"}`, nil, CodeBadTokens, "is broken JSON near byte"},
		{"something behind", good + good, nil, CodeBadTokens, "data after its JSON object"},
		{"no refresh token", `{"access_token":"` + testSecret + `"}`, nil, CodeBadTokens, "has no refresh_token"},
		{"a number", `{"refresh_token":12345}`, nil, CodeBadTokens, "is not a text"},
		{"a line break in it", `{"refresh_token":"` + testSecret + `\n"}`, nil, CodeBadTokens, "printable ASCII"},
		{"too long a token", `{"refresh_token":"` + strings.Repeat("x", 5000) + `"}`, nil, CodeBadTokens, "more than 4096"},
		{"too large", good + strings.Repeat(" ", 65<<10), nil, CodeBadTokens, "more than 64 KiB"},
		{"for others to read", good, func(_ *testing.T, name string) error { return os.Chmod(name, 0o640) }, CodeBadTokens, "chmod 600 "},
		{"a link", good, func(_ *testing.T, name string) error {
			return errors.Join(os.Rename(name, name+".real"), os.Symlink(name+".real", name))
		}, CodeBadTokens, "symbolic link"},
		{"a folder", "", func(_ *testing.T, name string) error { return os.Mkdir(name, 0o700) }, CodeBadTokens, "is not a file"},
		{"no folder", "", func(_ *testing.T, name string) error { return os.Remove(filepath.Dir(name)) }, CodeBadTokens, "mkdir -p -m 700"},
		{"a lock for others", good, func(_ *testing.T, name string) error { return os.WriteFile(name+".lock", nil, 0o644) }, CodeBadTokens, "chmod 600 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, name := tokenFile(t, tt.doc)
			if tt.edit != nil {
				if err := tt.edit(t, name); err != nil {
					t.Fatal(err)
				}
			}
			app, err := NewApplication("https://acme.bitrix24.com", "local.1", "hush", "", store)
			if err != nil {
				t.Fatal(err)
			}
			c := New(app, &Options{Transport: says(`{"result":1}`)})
			defer c.Close()
			_, err = c.Call(t.Context(), "profile", nil)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Code != tt.code || e.Class() != Stop || !strings.Contains(e.Error(), tt.want) || !strings.Contains(e.Error(), filepath.Dir(name)) {
				t.Errorf("error %v, want %s: … %s", err, tt.code, tt.want)
			}
			if strings.Contains(err.Error(), testSecret) || !e.AtServer() {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestTokenFile: what is saved can be loaded, by its owner only, under locks that
// exclude each other, and nothing else remains.
func TestTokenFile(t *testing.T) {
	ctx := t.Context()
	a, name := tokenFile(t, `{"refresh_token":"one"}`)
	b := NewTokenFile(name)
	if begun, err := a.Lock(ctx); err != nil || !begun.IsZero() {
		t.Fatalf("lock: %v, %v", begun, err)
	}
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := b.Lock(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second lock: %v", err)
	}
	if err := errors.Join(a.Begin(ctx), a.Unlock(ctx, true)); err != nil {
		t.Fatal(err)
	}
	if begun, err := b.Lock(ctx); err != nil || time.Since(begun) > time.Minute {
		t.Errorf("what was begun: %v, %v", begun, err)
	}
	if err := errors.Join(b.Save(ctx, []byte(`{"refresh_token":"two"}`)), b.Unlock(ctx, false)); err != nil {
		t.Fatal(err)
	}
	if begun, err := a.Lock(ctx); err != nil || !begun.IsZero() {
		t.Errorf("after a save: %v, %v", begun, err)
	}
	if err := a.Unlock(ctx, false); err != nil {
		t.Error(err)
	}
	doc, err := a.Load(ctx)
	if err != nil || string(doc) != `{"refresh_token":"two"}` {
		t.Errorf("%s, %v", doc, err)
	}
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(entries) != 2 {
		t.Errorf("files %v (%v)", entries, err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v)", entry.Name(), info.Mode(), err)
		}
	}
}

// TestTokenFileTakesUpWhatWasWritten: if a process died between writing and renaming,
// its tokens are not lost. Half of a document is discarded.
func TestTokenFileTakesUpWhatWasWritten(t *testing.T) {
	for _, tt := range []struct{ next, want string }{
		{`{"refresh_token":"two"}`, `{"refresh_token":"two"}`},
		{`{"refresh_token":"tw`, `{"refresh_token":"one"}`},
		{``, `{"refresh_token":"one"}`},
	} {
		store, name := tokenFile(t, `{"refresh_token":"one"}`)
		if err := errors.Join(os.WriteFile(name+".new", []byte(tt.next), 0o600), os.WriteFile(name+".lock", []byte("2026-11-23T10:00:00Z"), 0o600)); err != nil {
			t.Fatal(err)
		}
		begun, err := store.Lock(t.Context())
		if err != nil || begun.IsZero() != (tt.next == tt.want) {
			t.Errorf("%q: begun %v, %v", tt.next, begun, err)
		}
		doc, err := store.Load(t.Context())
		if err != nil || string(doc) != tt.want {
			t.Errorf("%q: %s, %v, want %s", tt.next, doc, err, tt.want)
		}
		if _, err := os.Stat(name + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: it is still there: %v", tt.next, err)
		}
		if err := store.Unlock(t.Context(), false); err != nil {
			t.Error(err)
		}
	}
}

// FuzzTokens: no content of a store causes a panic, accepted tokens can be sent, no
// error quotes the content, and merging keeps it.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","refresh_token":"r","expires":1780319382,"expires_in":3600,"client_endpoint":"https:\/\/acme.bitrix24.com\/rest\/","scope":"crm,sale"}`,
		`{"refresh_token":"r"}`, `{"refresh_token":""}`, `{"refresh_token":null,"access_token":[]}`, `{}`, `[]`, ``, `{"refresh_token":"r"} x`,
		"\ufeff" + `{"refresh_token":"r","note":{"a":[1,2]}}`, `{"refresh_token":"\u0041","REFRESH_TOKEN":"b"}`, `{"refresh_token":"r","refresh_token":"s"}`,
		"{\"refresh_token\":\"0\",\"\x92\":\"\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := decodePair(doc)
		if err != nil {
			if len(err.Error()) > 100 {
				t.Fatalf("error %q", err)
			}
			return
		}
		if p.refresh == "" || strings.ContainsFunc(string(p.refresh+p.access), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Fatalf("took %q and %q", p.access.Reveal(), p.refresh.Reveal())
		}
		merged := mergePair(p.doc, []byte(`{"access_token":"new","refresh_token":"newer"}`))
		q, err := decodePair(merged)
		if err != nil || q.access != "new" || q.refresh != "newer" || q.endpoint != p.endpoint {
			t.Fatalf("merged %q: %v", merged, err)
		}
		x := exchange{token: p.refresh, body: []byte(`{}`)}
		if body := x.payload(); !json.Valid(body) || !bytes.HasPrefix(body, []byte(`{"auth":"`)) {
			t.Fatalf("body %q", body)
		}
	})
}

// TestTokenFileKeepsWhatCannotBeRead: the tokens that a process has written and not yet
// renamed may be the only valid ones. A problem that a person can fix deletes nothing.
func TestTokenFileKeepsWhatCannotBeRead(t *testing.T) {
	store, name := tokenFile(t, `{"refresh_token":"one"}`)
	if err := os.WriteFile(name+".new", []byte(`{"refresh_token":"two"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// As a copy of the folder for another user leaves it.
	if err := os.Chmod(name+".new", 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := store.Lock(t.Context())
	if p, ok := errors.AsType[*StoreProblem](err); !ok || !strings.Contains(p.Text, "chmod 600 "+name+".new") {
		t.Errorf("error %v, want one that says chmod 600", err)
	}
	if err := os.Chmod(name+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if doc, err := store.Load(t.Context()); err != nil || string(doc) != `{"refresh_token":"two"}` {
		t.Errorf("%s, %v", doc, err)
	}
	if err := store.Unlock(t.Context(), false); err != nil {
		t.Error(err)
	}
}
