package bitrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// modelPortal is a portal of payments that come and go, with faults at random and a strict
// counter of requests. It is safe for concurrent use.
type modelPortal struct {
	t testing.TB
	modelFaults

	mu       sync.Mutex
	r        *rand.Rand
	ids      []int64        // that exist now
	late     map[int64]bool // that were created later
	gone     map[int64]bool // that were deleted
	requests int
	commands int     // in batches
	level    float64 // of the counter
	at       time.Time
	refused  int // requests above the limit
}

// modelFaults is how a portal differs from a perfect one.
type modelFaults struct {
	latency, jitter time.Duration
	request         float64 // share of requests that fail
	requestKinds    []string
	command         float64 // share of commands that fail
	commandKinds    []string
	count           string  // how it counts: see counted
	unresolved      string  // the text of a reference without a target
	unbounded       float64 // share of commands that ignore the highest id
	ascending       bool    // the order is ignored
	confused        string  // by two bounds: "count" ignores the upper one, "list" the lower one
	most            int     // commands in a batch; 0: 50
	mostEach        bool    // each further command fails, not the batch
	page            int     // elements of a page; 0: 50
	create, remove  float64 // payments a request
}

const modelRate, modelBurst = 2, 50

func newModelPortal(t testing.TB, seed uint64, ids []int64, f modelFaults) *modelPortal {
	if f.page == 0 {
		f.page = PageSize
	}
	if f.most == 0 {
		f.most = MaxCommands
	}
	return &modelPortal{t: t, modelFaults: f, r: rand.New(rand.NewPCG(seed, 1)), ids: slices.Clone(ids), late: map[int64]bool{}, gone: map[int64]bool{}}
}

// stable reports whether an id of the beginning has existed all the time.
func (p *modelPortal) stable(id int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.gone[id]
}

// created reports whether an id was created later.
func (p *modelPortal) created(id int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late[id]
}

// received returns how many requests came, and how many of them were above the limit.
func (p *modelPortal) received() (requests, above int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, p.refused
}

func (p *modelPortal) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	answer := p.answer(strings.HasSuffix(r.URL.Path, "/batch"), body)
	wait := p.latency + time.Duration(p.r.Float64()*float64(p.jitter))
	p.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if answer == "" {
		return nil, errors.New("connection reset by peer")
	}
	return reply(answer), nil
}

func (p *modelPortal) hit(share float64) bool { return share > 0 && p.r.Float64() < share }

// answer returns the answer to a request, "" if the connection breaks. The caller holds
// p.mu.
func (p *modelPortal) answer(batch bool, body []byte) string {
	p.requests++
	now := time.Now()
	p.level = max(0, p.level-now.Sub(p.at).Seconds()*modelRate)
	p.at = now
	if p.level+1 > modelBurst+1e-6 {
		p.refused++
		return `503 {"error":"QUERY_LIMIT_EXCEEDED"}`
	}
	p.level++
	p.change()
	kind := ""
	if p.hit(p.request) {
		kind = p.requestKinds[p.r.IntN(len(p.requestKinds))]
	}
	switch kind {
	case "lost":
		return ""
	case "rate":
		return `503 {"error":"QUERY_LIMIT_EXCEEDED"}`
	case "budget":
		return `429 {"error":"OPERATION_TIME_LIMIT"}`
	case "internal":
		return `500 {"error":"INTERNAL_SERVER_ERROR"}`
	case "502", "504":
		return kind + " <html>"
	}
	out := ""
	if batch {
		out = p.batch(body)
	} else {
		out = p.single(body)
	}
	if kind == "truncated" {
		out = out[:p.r.IntN(len(out))]
	}
	return out
}

// change creates and deletes payments.
func (p *modelPortal) change() {
	for range int(p.create + p.r.Float64()) {
		id := int64(1)
		if n := len(p.ids); n > 0 {
			id = p.ids[n-1] + 1 + p.r.Int64N(3)
			if p.hit(0.2) {
				id = p.ids[p.r.IntN(n)] + 1
			}
		}
		if i, found := slices.BinarySearch(p.ids, id); !found && !p.gone[id] {
			p.ids = slices.Insert(p.ids, i, id)
			p.late[id] = true
		}
	}
	for range int(p.remove + p.r.Float64()) {
		if n := len(p.ids); n > 0 {
			i := p.r.IntN(n)
			p.gone[p.ids[i]] = true
			p.ids = slices.Delete(p.ids, i, i+1)
		}
	}
}

func (p *modelPortal) single(body []byte) string {
	var ask struct {
		Filter map[string]json.Number
		Order  map[string]string
		Start  json.Number
	}
	if err := json.Unmarshal(body, &ask); err != nil {
		p.t.Error(err)
	}
	page, total := p.list(ask.Filter[">id"].String(), ask.Filter["<=id"].String(), ask.Order["id"], ask.Start.String())
	if total != "" {
		total = `,"total":` + total
	}
	return `{"result":` + string(appendPage(nil, page)) + total + `}`
}

func (p *modelPortal) batch(body []byte) string {
	cmds := commandsOf(p.t, &http.Request{URL: &url.URL{Path: "/batch"}, Body: io.NopCloser(strings.NewReader(string(body)))})
	p.commands += len(cmds)
	if len(cmds) > p.most && !p.mostEach {
		return `400 {"error":"ERROR_BATCH_LENGTH_EXCEEDED"}`
	}
	pages := map[string][]int64{}
	var results, errs, totals []byte
	add := func(to []byte, key, value string) []byte {
		if len(to) > 0 {
			to = append(to, ',')
		}
		return fmt.Appendf(to, `"%s":%s`, key, value)
	}
	for i, c := range cmds {
		kind := ""
		if p.hit(p.command) {
			kind = p.commandKinds[p.r.IntN(len(p.commandKinds))]
		}
		code := map[string]string{"internal": CodeInternal, "rate": CodeQueryLimit, "budget": CodeOperatingLimit}[kind]
		if i >= p.most {
			code = CodeBatchLength
		}
		switch {
		case code != "":
			errs = add(errs, c.key, `{"error":"`+code+`"}`)
			continue
		case kind == "absent":
			continue
		}
		cursor := c.param("filter[>id]")
		if ref, ok := strings.CutPrefix(cursor, "$result["); ok {
			cursor = p.unresolved
			if page := pages[ref[:3]]; len(page) >= PageSize {
				cursor = strconv.FormatInt(page[PageSize-1], 10)
			}
		}
		through := c.param("filter[<=id]")
		page, total := p.list(cursor, through, c.param("order[id]"), c.param("start"))
		page = p.spoil(kind, page, through != "")
		pages[c.key] = page
		results = add(results, c.key, string(appendPage(nil, page)))
		if total != "" {
			totals = add(totals, c.key, total)
		}
	}
	return fmt.Sprintf(`{"result":{"result":{%s},"result_error":{%s},"result_total":{%s}}}`, results, errs, totals)
}

// spoil returns a page with a fault.
func (p *modelPortal) spoil(kind string, page []int64, bounded bool) []int64 {
	if kind == "" || len(page) == 0 {
		return page
	}
	page = slices.Clone(page)
	last := len(page) - 1
	switch kind {
	case "empty":
		return nil
	case "short":
		return page[:p.r.IntN(len(page))]
	case "reversed":
		slices.Reverse(page)
	case "doubled":
		page = slices.Insert(page, last, page[last])
	case "below":
		page[0] = 0
	case "above":
		if bounded { // otherwise no client can find out
			page[last] += 1e12
		}
	case "long":
		i, _ := slices.BinarySearch(p.ids, page[last]+1)
		page = append(page, p.ids[i:min(i+20, len(p.ids))]...)
	}
	return page
}

func appendPage(out []byte, page []int64) []byte {
	out = append(out, `{"payments":[`...)
	for i, id := range page {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(strconv.AppendInt(append(out, `{"id":`...), id, 10), '}')
	}
	return append(out, `]}`...)
}

// list returns a page, and the count as JSON, "" if there is none.
func (p *modelPortal) list(above, through, order, start string) (page []int64, total string) {
	number := func(text string) int64 {
		n, _ := strconv.ParseInt(text, 10, 64) // as PHP converts a text that is no number
		return n
	}
	from, _ := slices.BinarySearch(p.ids, number(above)+1)
	ids := p.ids
	if through != "" && p.confused == "list" {
		from = 0
	}
	if through != "" && !p.hit(p.unbounded) {
		end, _ := slices.BinarySearch(ids, number(through)+1)
		ids = ids[:max(from, end)]
	}
	ids = ids[from:]
	page = ids[:min(len(ids), p.page)]
	if order == "DESC" && !p.ascending {
		page = slices.Clone(ids[max(0, len(ids)-p.page):])
		slices.Reverse(page)
	}
	if start == "0" && p.confused == "count" {
		total = p.counted(int64(len(p.ids) - from))
	} else if start == "0" {
		total = p.counted(int64(len(ids)))
	}
	return page, total
}

// counted returns how the portal counts n elements.
func (p *modelPortal) counted(n int64) string {
	text := strconv.FormatInt(n, 10)
	switch p.count {
	case "null":
		return p.count
	case "absent":
		return ""
	case "sometimes":
		if p.hit(0.5) {
			return "null"
		}
	case "first":
		if p.requests > 1 {
			return "null"
		}
	case "text":
		return `"` + text + `"`
	case "low":
		return strconv.FormatInt(n*9/10, 10)
	}
	if n == 0 {
		return text // a portal that counts what it never lists ends in a CountError
	}
	switch p.count {
	case "high":
		return strconv.FormatInt(n+n/10+7, 10)
	case "huge":
		return strconv.FormatInt(n*1e9, 10)
	case "wild":
		return strconv.FormatInt(p.r.Int64N(3*n+1), 10)
	}
	return text
}

var modelShapes = []string{"dense", "even", "jumps", "outlier", "outliers", "clusters", "small clusters", "varied", "very varied", "growing", "shrinking", "random"}

// modelIDs returns n ids of a shape.
func modelIDs(r *rand.Rand, shape string, n int) []int64 {
	ids := make([]int64, 0, n)
	id, step := int64(0), int64(1)
	if r.IntN(4) == 0 {
		id = r.Int64N(2e9)
	}
	for i := range int64(n) {
		left := int64(n) - i
		id++
		switch shape {
		case "even":
			id += r.Int64N(4)
		case "jumps":
			if r.IntN(n/4+1) == 0 {
				id += 1e9
			}
		case "outlier":
			if left == 1 {
				id += 1e9
			}
		case "outliers":
			if left == 30 || i == 300 {
				id += 1e9
			}
		case "clusters":
			if i%500 == 0 {
				id += 1e6
			}
		case "small clusters":
			if i%40 == 0 {
				id += r.Int64N(1e5)
			}
		case "varied", "very varied":
			if r.IntN(1000) == 0 {
				step = 1 + r.Int64N(7)
				if shape == "very varied" {
					step = 1 << r.Int64N(20)
				}
			}
			id += r.Int64N(step)
		case "growing":
			id += i * i / 1000
		case "shrinking":
			id += left * left / 1000
		case "random":
			id += int64(r.ExpFloat64() * 1000)
		}
		ids = append(ids, id)
	}
	return ids
}
