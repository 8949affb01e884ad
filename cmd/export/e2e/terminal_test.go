package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
)

// terminal is a real terminal of tmux, with its own server.
type terminal struct {
	t      *testing.T
	socket string
}

// openTerminal starts a command in a terminal with this many columns.
func openTerminal(t *testing.T, width int, command string, env ...string) *terminal {
	t.Helper()
	term := &terminal{t, filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", "60"}
	for _, variable := range env {
		args = append(args, "-e", variable)
	}
	term.tmux(append(args, command)...)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() }) // it may have ended
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// screen returns the visible lines, without empty ones at the end.
func (term *terminal) screen() []string {
	term.t.Helper()
	return strings.Split(strings.TrimRight(term.tmux("capture-pane", "-p"), "\n"), "\n")
}

// waitFor waits until wrong returns "" for the screen. Otherwise wrong returns what is
// wrong with it.
func (term *terminal) waitFor(wrong func(lines []string) string) {
	term.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		lines := term.screen()
		text := wrong(lines)
		if text == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			term.t.Fatalf("%s:\n%s", text, strings.Join(lines, "\n"))
		}
	}
}

// shows waits until the screen has a text.
func (term *terminal) shows(text string) {
	term.t.Helper()
	term.waitFor(func(lines []string) string {
		// bash itself puts a backslash before a comma.
		if strings.Contains(strings.ReplaceAll(strings.Join(lines, "\n"), `\,`, ","), text) {
			return ""
		}
		return "no " + text
	})
}

// keys types a text, or presses a key such as Tab.
func (term *terminal) keys(keys ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys"}, keys...)...)
}

// TestBarInATerminal checks the progress bar of a run that waits, at several widths and
// after the terminal has become narrower and wider.
func TestBarInATerminal(t *testing.T) {
	if err := build(); err != nil {
		t.Fatal(err)
	}
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 2000})
	const before = 12 // requests that are answered before the portal stops answering
	requests := make(chan struct{}, before)
	for range before {
		requests <- struct{}{}
	}
	goOn := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-requests:
		case <-goOn:
		case <-r.Context().Done():
			return
		}
		portal.ServeHTTP(w, r)
	}))
	defer server.Close()

	command := fmt.Sprintf("%s run --to %s --portal acme --rate 0 --operating 0s --concurrency 2; cat", bin, filepath.Join(t.TempDir(), "data"))
	term := openTerminal(t, 80, command, "B24_WEBHOOK="+portal.Webhook(server.URL))
	bar := map[bool]*regexp.Regexp{
		true:  regexp.MustCompile(`^ +\d+% acme .*\d of 2,0`),
		false: regexp.MustCompile(`^ +\d+% ║█+░+║  acme  fetching: [\d,]+ of 2,000`),
	}
	for _, width := range []int{80, 36, 200, 36, 59, 60, 80} {
		term.tmux("resize-window", "-x", fmt.Sprint(width))
		term.waitFor(func(lines []string) string {
			switch {
			case len(lines) != 1:
				return fmt.Sprintf("%d columns: %d lines, want the bar alone", width, len(lines))
			case !bar[width < 60].MatchString(lines[0]):
				return fmt.Sprintf("%d columns: not the bar that fits", width)
			}
			return ""
		})
	}
	close(goOn)
	term.shows("acme: snapshot ")
	last := 0
	for _, line := range term.screen() {
		if strings.Contains(line, "% ║") {
			last++
			if !strings.HasPrefix(line, "100% ║████████████║  acme  done: 2,000") {
				t.Errorf("the last bar: %s", line)
			}
		}
	}
	if last != 1 {
		t.Errorf("%d bars at the end, want 1:\n%s", last, strings.Join(term.screen(), "\n"))
	}
}

// TestCompletion presses Tab in each shell.
func TestCompletion(t *testing.T) {
	if err := build(); err != nil {
		t.Fatal(err)
	}
	portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 50})
	server := httptest.NewServer(portal)
	defer server.Close()
	dir := t.TempDir()
	job := "version: 1\nname: payments\nportals:\n  - {name: acme-north, webhook: '" + portal.Webhook(server.URL) + "', plan: unlimited}\nsink: {url: data}\n"
	if err := os.WriteFile(filepath.Join(dir, "nightly.yaml"), []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "run", "nightly.yaml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	snapshots, err := filepath.Glob(filepath.Join(dir, "data", "_runs", "payments", "*", "*.json"))
	if err != nil || len(snapshots) != 1 {
		t.Fatalf("%v, %v", snapshots, err)
	}
	snapshot := strings.TrimSuffix(filepath.Base(snapshots[0]), ".json")

	path := "PATH=" + filepath.Dir(bin) + ":$PATH"
	shells := map[string]string{
		"bash": "bash --noprofile --rcfile rc.bash -i",
		"zsh":  "env ZDOTDIR=. zsh -i",
		"fish": "env XDG_CONFIG_HOME=. HOME=. fish -i",
	}
	files := map[string]string{
		"rc.bash": "PS1='ready> '\nsource /usr/share/bash-completion/bash_completion\nsource <(b24export completion bash)\n",
		".zshrc":  "PS1='ready> '\nautoload -Uz compinit && compinit -u -d zcompdump\nsource <(b24export completion zsh)\n",
		"fish/config.fish": "function fish_prompt; echo 'ready> '; end\nset -g fish_greeting\nset -g fish_autosuggestion_enabled 0\n" +
			"b24export completion fish | source\n",
	}
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for shell, start := range shells {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Fatal(err)
			}
			term := openTerminal(t, 120, "cd "+dir+" && "+path+" "+start, "LC_ALL=C.UTF-8", "TERM=screen-256color")
			term.shows("ready>")
			for _, tt := range []struct{ typed, want string }{
				{"b24export snapsh", "b24export snapshots"},
				{"b24export cat ni", "b24export cat nightly.yaml"},
				{"b24export status nightly.yaml --only acm", "b24export status nightly.yaml --only acme-north"},
				{"b24export cat nightly.yaml --snapshot " + snapshot[:9], "b24export cat nightly.yaml --snapshot " + snapshot},
				{"b24export cat nightly.yaml --columns id,account", "b24export cat nightly.yaml --columns id,account_number"},
				{"b24export run nightly.yaml --mode incr", "b24export run nightly.yaml --mode incremental"},
			} {
				term.keys("C-u")
				term.keys("-l", tt.typed)
				term.shows(tt.typed)
				term.keys("Tab")
				term.shows(tt.want)
			}
		})
	}
}
