package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw docs/demo.svg from what the demo prints")

// TestPicture draws README's picture with -update:
//
//	go test ./cmd/export -run TestPicture -update
//
// Without the flag, it reads the picture as a browser does, and looks for the text that
// every demo prints.
func TestPicture(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "demo.svg")
	if *update {
		t.Chdir(t.TempDir())
		code, stdout, stderr := runProgram(t, "demo")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		t.Chdir(filepath.Dir(mustAbs(t, path)))
		if err := os.WriteFile("demo.svg", []byte(terminalPicture("b24export demo", stdout)), 0o644); err != nil {
			t.Fatal(err)
		}
		path = "demo.svg"
	}
	picture := readFile(t, path)
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"<svg ", "$ b24export demo", "changes ", "ledger ", "currency", "payments/portal=demo/payments.parquet"} {
		if !strings.Contains(picture, want) {
			t.Errorf("docs/demo.svg lacks %q", want)
		}
	}
}

// picturePath is the folder of this package, whatever the working directory becomes.
var picturePath, _ = os.Getwd()

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	return filepath.Join(picturePath, path)
}

var snapshotID = regexp.MustCompile(`\d{8}T\d{6}Z`)

// terminalPicture draws a command and its output, up to the first rows of the table, as
// a terminal shows it.
func terminalPicture(command, output string) string {
	output, _, _ = strings.Cut(snapshotID.ReplaceAllString(output, "20261122T020000Z"), "\nthe first payments:")
	lines := append([]string{"$ " + command}, strings.Split(strings.TrimSpace(output), "\n")...)
	const cell, row, margin = 8.4, 19, 18
	width := 0
	for _, line := range lines {
		width = max(width, len([]rune(line)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">`+"\n",
		float64(width)*cell+2*margin, len(lines)*row+2*margin)
	fmt.Fprintf(&b, `<title>What %s prints</title>`+"\n"+`<rect width="100%%" height="100%%" rx="8" fill="#1b1f24"/>`+"\n", html.EscapeString(command))
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		fill := "#d5dae1"
		if i == 0 {
			fill = "#7ee787"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s" xml:space="preserve" textLength="%.0f">%s</text>`+"\n",
			margin, margin+14+i*row, fill, float64(len([]rune(line)))*cell, html.EscapeString(line))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
