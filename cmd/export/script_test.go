package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"b24export/bitrix/bitrixtest"
	"b24export/sinks/sinktest"
)

func TestMain(m *testing.M) {
	sinktest.TempInMemory()
	// Transcripts mostly wait: for a portal's limits, and for the pauses of retries.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	testscript.Main(tidyTests{m}, map[string]func(){"b24export": main})
}

// tidyTests are the package's tests, which fail if one leaves a goroutine behind.
type tidyTests struct{ *testing.M }

func (t tidyTests) Run() int {
	code := t.M.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// markedSecret is the webhook's secret in all transcripts.
const markedSecret = "markedsecret4711"

// The transcripts in testdata are the program's behaviour as people and scripts
// see it. Besides the commands of testscript they have:
//
//	exits CODE [!] b24export ARG…  runs the program, which must exit with CODE
//	fakeportal [FLAG…]             serves a fake portal, with the flags of b24export
//	                               portal, and sets WEBHOOK, WRONG_WEBHOOK with a
//	                               wrong secret, and SECRET
//	hold N, held, release          lets N more requests pass, waits until one more
//	                               is held back, lets all pass
//	change N                       makes N changes on the portal
//	oldest, newest VAR GLOB        sets VAR to the name, without its extension, of
//	                               the first or last file that fits
//	flip FILE                      flips a bit of a file, drawn at random
//	authcode FILE                  writes a code for OAuth's first tokens to FILE
//	expiretokens                   makes access tokens expire
//	nobucket                       serves an S3 without any bucket, and sets S3
//	notoken                        is nosecret for the client secret and the tokens,
//	                               which may be in tokens.json only
//	nosecret                       fails if the secret is in any file, or in what
//	                               the last command printed
func TestScripts(t *testing.T) {
	goldenSchemas, err := filepath.Abs("../../schemas/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[portalKey{}] = new(scriptPortal)
			env.Setenv("SCHEMAS", goldenSchemas)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":      scriptExits,
			"fakeportal": scriptFakePortal,
			"hold":       func(ts *testscript.TestScript, _ bool, args []string) { portalOf(ts).gate.close(atoi(ts, args)) },
			"held":       func(ts *testscript.TestScript, _ bool, _ []string) { <-portalOf(ts).gate.held },
			"release":    func(ts *testscript.TestScript, _ bool, _ []string) { portalOf(ts).gate.open() },
			"change": func(ts *testscript.TestScript, _ bool, args []string) {
				portalOf(ts).portal.Mutate(atoi(ts, args), 7)
			},
			"authcode": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) != 1 {
					ts.Fatalf("usage: authcode FILE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(portalOf(ts).portal.AuthCode()), 0o600))
			},
			"expiretokens": func(ts *testscript.TestScript, _ bool, _ []string) { portalOf(ts).portal.ExpireTokens() },
			"nobucket":     scriptNoBucket,
			"notoken":      scriptNoToken,
			"oldest":       scriptName(slices.Min),
			"newest":       scriptName(slices.Max),
			"flip":         scriptFlip,
			"nosecret":     scriptNoSecret,
		},
	})
}

type portalKey struct{}

// scriptPortal is a script's fake portal.
type scriptPortal struct {
	portal *bitrixtest.Portal
	gate   *gate
}

func portalOf(ts *testscript.TestScript) *scriptPortal { return ts.Value(portalKey{}).(*scriptPortal) }

func atoi(ts *testscript.TestScript, args []string) int {
	if len(args) != 1 {
		ts.Fatalf("want one number, got %q", args)
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	return n
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func scriptFakePortal(ts *testscript.TestScript, _ bool, args []string) {
	var f portalFlags
	cmd := f.command()
	ts.Check(cmd.ParseFlags(args))
	opts, err := f.portalOptions()
	ts.Check(err)
	opts.Secret = markedSecret
	p := portalOf(ts)
	p.portal = bitrixtest.New(opts)
	p.gate = newGate(p.portal)
	server := httptest.NewServer(p.gate)
	ts.Defer(func() {
		p.gate.open()
		server.Close()
	})
	webhook := p.portal.Webhook(server.URL)
	ts.Setenv("BASE", server.URL)
	ts.Setenv("CLIENT_SECRET", opts.OAuth.ClientSecret)
	ts.Setenv("WEBHOOK", webhook)
	ts.Setenv("SECRET", markedSecret)
	ts.Setenv("WRONG_WEBHOOK", strings.Replace(webhook, markedSecret, "wrong"+markedSecret, 1))
}

// scriptNoBucket serves the answer of S3 for a bucket that does not exist.
func scriptNoBucket(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>`)
	}))
	ts.Defer(server.Close)
	ts.Setenv("S3", server.URL)
	ts.Setenv("AWS_ACCESS_KEY_ID", "somebody")
	ts.Setenv("AWS_SECRET_ACCESS_KEY", markedSecret)
}

// gate holds requests back on their way to a handler.
type gate struct {
	next http.Handler
	held chan struct{} // receives a value for each request that is held back

	mu   sync.Mutex
	left int           // requests that still pass; negative means all
	wait chan struct{} // closed when all may pass
}

func newGate(next http.Handler) *gate {
	return &gate{next: next, held: make(chan struct{}, 1000), left: -1, wait: make(chan struct{})}
}

// close lets n more requests pass.
func (g *gate) close(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left, g.wait = n, make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left >= 0 {
		g.left = -1
		close(g.wait)
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	wait := g.wait
	pass := g.left != 0
	if g.left > 0 {
		g.left--
	}
	g.mu.Unlock()
	if !pass {
		g.held <- struct{}{}
		select {
		case <-wait:
		case <-r.Context().Done():
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

func scriptName(pick func([]string) string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) != 2 {
			ts.Fatalf("usage: oldest or newest VAR GLOB")
		}
		names, err := filepath.Glob(ts.MkAbs(args[1]))
		ts.Check(err)
		if len(names) == 0 {
			ts.Fatalf("no file fits %s", args[1])
		}
		base := filepath.Base(pick(names))
		ts.Setenv(args[0], strings.TrimSuffix(base, filepath.Ext(base)))
	}
}

func scriptFlip(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	at, bit := rand.IntN(len(data)), rand.IntN(8)
	ts.Logf("bit %d of byte %d", bit, at)
	data[at] ^= 1 << bit
	ts.Check(os.WriteFile(name, data, 0o600))
}

// scriptNoToken looks for OAuth's secrets in all places where they must not be.
func scriptNoToken(ts *testscript.TestScript, _ bool, _ []string) {
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("tokens.json")), &pair))
	look := func(name string, data []byte) {
		for _, secret := range []string{pair.Access, pair.Refresh, "clientsecretofafakeportal"} {
			if secret == "" || bytes.Contains(data, []byte(secret)) {
				ts.Fatalf("%s has a secret in it", name)
			}
		}
	}
	look("stdout", []byte(ts.ReadFile("stdout")))
	look("stderr", []byte(ts.ReadFile("stderr")))
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "tokens.json" {
			return err
		}
		data, err := os.ReadFile(name)
		look(name, data)
		return err
	}))
}

func scriptNoSecret(ts *testscript.TestScript, _ bool, _ []string) {
	looked := 0
	look := func(name string, data []byte) {
		looked++
		if bytes.Contains(data, []byte(markedSecret)) {
			ts.Fatalf("%s has the secret in it", name)
		}
	}
	look("stdout", []byte(ts.ReadFile("stdout")))
	look("stderr", []byte(ts.ReadFile("stderr")))
	err := filepath.WalkDir(ts.MkAbs("."), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.Contains(name, markedSecret) {
			ts.Fatalf("%s has the secret in its name", name)
		}
		data, err := os.ReadFile(name)
		look(name, data)
		return err
	})
	ts.Check(err)
	if looked < 5 {
		ts.Fatalf("only %d things to look at: has anything run?", looked)
	}
}
