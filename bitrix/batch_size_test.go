package bitrix

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	s := newSizes()
	gets := []need{{"get", 49}, {"list", 1}}
	steps := []struct {
		name      string
		do        func()
		get, list int // what fits afterwards
	}{
		{"at first", func() {}, 50, 50},
		{"a request that was too much", func() { s.tooMuch(gets, 50, 0) }, 25, 25},
		{"another one that was under way with it", func() { s.tooMuch(gets, 50, 0) }, 25, 25},
		{"too much again", func() { s.tooMuch(gets[:1], 25, 0) }, 12, 25},
		{"two that went well", func() { s.wentWell(gets, nil); s.wentWell(gets[:1], nil) }, 14, 26},
		{"down to one", func() {
			for range 10 {
				s.tooMuch(gets, 1, 0)
			}
		}, 1, 1},
		{"all the way back", func() {
			for range 100 {
				s.wentWell(gets, nil)
			}
		}, 50, 50},
		{"slow gets: 1 s each", func() { s.wentWell(gets, map[string]float64{"get": 49, "list": 0.1}) }, 20, 50},
		{"slower than anything: 60 s each", func() {
			for range 50 {
				s.wentWell([]need{{"get", 1}}, map[string]float64{"get": 60})
			}
		}, 1, 50},
	}
	for _, step := range steps {
		step.do()
		if get, list := s.limit("get"), s.limit("list"); get != step.get || list != step.list {
			t.Errorf("%s: %d gets or %d lists fit, want %d or %d", step.name, get, list, step.get, step.list)
		}
	}
}

func TestFits(t *testing.T) {
	mixed := func(gets, lists int) (cmds []Command) {
		for i := range gets + lists {
			method := "get"
			if i >= gets {
				method = "list"
			}
			cmds = append(cmds, Command{Key: fmt.Sprint("k", i), Method: method})
		}
		return cmds
	}
	s := newSizes()
	for _, tt := range []struct {
		name string
		do   func()
		cmds []Command
		want int
	}{
		{"one", func() {}, mixed(1, 0), 1},
		{"a full one", func() {}, mixed(49, 1), 50},
		{"more", func() {}, mixed(80, 1), 50},
		{"halved", func() { s.tooMuch([]need{{"get", 50}}, 50, 0) }, mixed(49, 1), 25},
		{"none that is slow", func() { s.wentWell([]need{{"list", 1}}, map[string]float64{"list": 19}) }, mixed(10, 1), 11},
		{"one that is slow", func() {}, mixed(10, 2), 11},
		{"only slow ones", func() {}, mixed(0, 5), 1},
	} {
		tt.do()
		if got := s.fits(tt.cmds); got != tt.want {
			t.Errorf("%s: %d of %d fit, want %d", tt.name, got, len(tt.cmds), tt.want)
		}
	}
}

// TestSizesByBytes: what fits a request follows from the bytes that earlier answers had for
// each command.
func TestSizesByBytes(t *testing.T) {
	s := newSizes()
	lists, four := []need{{"list", 4}}, map[string]int{"list": 4}
	fit := func(want int) {
		t.Helper()
		if got := s.limit("list"); got != want {
			t.Errorf("%d commands fit, want %d", got, want)
		}
	}
	s.received(map[string]int{"list": 4 << 20}, four) // 1 MiB each
	fit(8)
	if got := s.fits(repeated(Command{Method: "list"}, 50)); got != 8 {
		t.Errorf("%d commands fit, want 8", got)
	}
	s.received(map[string]int{"list": 8 << 20}, four) // it rises at once
	fit(4)
	s.received(map[string]int{"list": 0}, four) // and falls by half
	fit(8)
	s.tooMuch(lists, 4, 400<<20)
	fit(1)
	if got := s.chainBytes("list"); got != 100<<20*MaxCommands {
		t.Errorf("a full chain is expected to have %f bytes", got)
	}
}

func repeated(cmd Command, n int) []Command {
	cmds := make([]Command, n)
	for i := range cmds {
		cmds[i] = cmd
	}
	return cmds
}

// TestEmptyPagesHaveNoSize: pages behind the end of a range are empty. They do not show how
// large other pages are.
func TestEmptyPagesHaveNoSize(t *testing.T) {
	row := `{"id":1,"comments":"` + strings.Repeat("x", 1<<20) + `"}`
	results := map[string]string{"c00": `{"payments":[` + row + `]}`}
	for i := 1; i < 10; i++ {
		results[chainKey(i)] = `{"payments":[]}`
	}
	c := clientOf(t, portal(func(*http.Request) (*http.Response, error) { return batchReply(results, nil), nil }), Options{})
	if _, err := c.request(t.Context(), payments.chain(0, 0, 10, countNone), make([]Result, 10)); err != nil {
		t.Fatal(err)
	}
	if n := c.governor.sizes.limit(payments.Method); n != 7 {
		t.Errorf("%d pages of slightly more than a MiB in one request, want 7", n)
	}
}
