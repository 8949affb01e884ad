package bitrixtest

import (
	"strconv"
	"strings"
)

// batchLength is the highest number of commands in a batch.
const batchLength = 50

func appendNumber(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// batchRun is a batch in progress.
type batchRun struct {
	x       *exchange
	results phpMap
	errors  phpMap
	totals  phpMap
	nexts   phpMap
	times   phpMap
	spans   []resultSpan
	buffer  []byte
}

// resultSpan is the position of an earlier command's result in results.json.
type resultSpan struct {
	key      string
	from, to int
}

// batch answers a batch with status 200, whatever the results of its commands are,
// unless the batch itself is not accepted.
func (x *exchange) batch() *answer {
	x.p.stats.batches.Add(1)
	if x.overBudget(methodBatch) {
		x.p.stats.refusedCommands.Add(1)
		return x.fail(errOperating)
	}
	own := x.spending(methodBatch)
	commands := x.args.anyCase("cmd").items
	halt := x.args.anyCase("halt").truth()
	if len(commands) > batchLength {
		x.p.rules.broken(x, "a batch of %d commands: %d are allowed", len(commands), batchLength)
	}
	if len(commands) == 0 {
		x.p.rules.broken(x, "a batch without commands")
	}
	run := batchRun{x: x}
	run.results.json = make([]byte, 0, 320*len(commands))
	run.times.json = make([]byte, 0, 240*len(commands))
	for place := range commands {
		key, command := commands[place].key, &commands[place].value
		if place < batchLength && (command.kind != kindText || command.number) {
			x.p.rules.broken(x, "the batch command %q is no text: it is passed over", key)
			continue
		}
		if _, numeric := arrayNumber(key); numeric {
			x.p.rules.broken(x, "the numeric batch key %q: its results cannot be distinguished", key)
		}
		err := run.command(key, command, place)
		if err == errNotInBatch && x.c.RefuseWholeBatch {
			return x.fail(err)
		}
		if err != nil {
			run.errors.key(key)
			run.errors.json = err.appendTo(run.errors.json)
			run.errors.done()
			if halt {
				break
			}
		}
	}
	b := make([]byte, 0, len(run.results.json)+len(run.times.json)+len(run.errors.json)+1024)
	b = append(b, `{"result":{"result":`...)
	b = run.results.appendTo(b)
	b = append(b, `,"result_error":`...)
	b = run.errors.appendTo(b)
	b = append(b, `,"result_total":`...)
	b = run.totals.appendTo(b)
	b = append(b, `,"result_next":`...)
	b = run.nexts.appendTo(b)
	b = append(b, `,"result_time":`...)
	b = run.times.appendTo(b)
	b = append(b, '}')
	b = x.clock.finish(b, x.spent(), own)
	return &answer{status: 200, content: jsonType, body: b, settled: x.settled, whole: true}
}

// command runs one command, "method?query", and stores its result.
func (r *batchRun) command(key string, command *value, place int) *apiError {
	x := r.x
	if place >= batchLength {
		return errBatchLength
	}
	name, args := splitCommand(command.text)
	name = strings.TrimSuffix(strings.ToLower(name), ".json")
	number, ok := methodNumbers[name]
	switch {
	case !ok:
		x.p.rules.broken(x, "no such method: %q", name)
		return errNoMethod
	case number == methodBatch:
		x.p.rules.broken(x, "a batch in a batch")
		return errNotInBatch
	case x.c.barred[number]:
		return errNotInBatch
	}
	args.resolve(x.c.Unresolved, r.lookup)
	c := call{x: x, method: number, args: &args, place: place, out: r.buffer[:0], total: -1, next: -1}
	before := x.spending(number).spent
	err := c.run()
	r.buffer = c.out
	sp := x.spending(number)
	shown := sp
	if x.c.Charge == ChargeBatch {
		shown = x.budgets[methodBatch]
	}
	if err != nil {
		x.clock.at += int64(sp.spent - before)
		return err
	}
	r.results.key(key)
	from := len(r.results.json)
	r.results.json = append(r.results.json, c.out...)
	r.results.done()
	r.spans = append(r.spans, resultSpan{key, from, len(r.results.json)})
	if c.total >= 0 {
		r.totals.key(key)
		r.totals.json = appendNumber(r.totals.json, c.total)
		r.totals.done()
	}
	if c.next >= 0 {
		r.nexts.key(key)
		r.nexts.json = appendNumber(r.nexts.json, c.next)
		r.nexts.done()
	}
	r.times.key(key)
	r.times.json = x.clock.appendCall(r.times.json, sp.spent-before, shown)
	r.times.done()
	return nil
}

// splitCommand splits a command into its method and its parameters, as PHP's parse_url
// and parse_str do: text after a # is dropped, and control characters become
// underscores.
func splitCommand(command string) (method string, args value) {
	command, _, _ = strings.Cut(command, "#")
	method, query, _ := strings.Cut(command, "?")
	return plainControls(method), parseQuery(plainControls(query))
}

func plainControls(s string) string {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if strings.IndexFunc(s, control) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if control(rune(c)) {
			b[i] = '_'
		}
	}
	return string(b)
}

// lookup resolves a reference to the results of earlier commands.
func (r *batchRun) lookup(root string, path []string) (value, bool) {
	var from *phpMap
	switch root {
	case "result":
		for i := range r.spans {
			if s := &r.spans[i]; s.key == path[0] {
				if text := string(r.results.json[s.from:s.to]); text != "null" {
					return walkJSON(text, path[1:])
				}
			}
		}
		from = &r.results
	case "next":
		from = &r.nexts
	case "total":
		from = &r.totals
	case "time":
		from = &r.times
	case "error":
		from = &r.errors
	default:
		return value{}, false
	}
	return walkJSON(string(from.appendTo(nil)), path)
}
