package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"b24export/bitrix"
)

// listFilter is a condition that a field of a list method's elements is one of several
// numbers. Old self-hosted portals read the list of numbers as the number 1, without an
// error. They read a single number correctly.
type listFilter struct {
	method, items, field string
	fields               []string      // what to select
	where                bitrix.Params // further conditions
	params               bitrix.Params // further parameters
}

// command requests the elements whose field is one of numbers.
func (f *listFilter) command(key string, numbers []int64) bitrix.Command {
	return f.with(key, "@"+f.field, numbers)
}

// alone requests the elements whose field is n.
func (f *listFilter) alone(key string, n int64) bitrix.Command { return f.with(key, "="+f.field, n) }

func (f *listFilter) with(key, condition string, value any) bitrix.Command {
	where := bitrix.Params{condition: value}
	maps.Copy(where, f.where)
	params := bitrix.Params{"select": f.fields, "filter": where, "order": bitrix.Params{f.field: "asc"}, "start": -1}
	maps.Copy(params, f.params)
	return bitrix.Command{Key: key, Method: f.method, Params: params}
}

// proves reports whether an answer with elements of these numbers shows that the portal
// reads lists of numbers correctly. A portal that does not returns the number 1 alone,
// or nothing.
func proves(answered []int64) bool {
	return slices.ContainsFunc(answered, func(n int64) bool { return n != 1 })
}

// strays reports whether an answer has a number that was not requested.
func strays(asked, answered []int64) bool {
	return slices.ContainsFunc(answered, func(n int64) bool { return !slices.Contains(asked, n) })
}

// reading is how a portal reads a list of numbers in a filter.
type reading int

const (
	unknown reading = iota
	asList          // correctly
	asOne           // as the number 1
	nothing         // does not matter: no element has a number above 1
)

// castFilters knows how a portal reads list filters. It asks once for each filter. It
// is safe for concurrent use. A nil castFilters remembers nothing.
type castFilters struct {
	mu     sync.Mutex
	known  map[string]reading // by name
	probes singleflight.Group // by name
}

func (f *listFilter) name() string {
	name := f.method + " by " + f.field
	if t, ok := f.params["entityTypeId"]; ok {
		name += fmt.Sprintf(", type %v", t)
	}
	if t, ok := f.where["=ownerTypeId"]; ok {
		name += fmt.Sprintf(", type %v", t)
	}
	return name
}

// has reports whether the portal is known to cast the filter.
func (c *castFilters) has(f *listFilter) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[f.name()] == asOne
}

// judge returns how the portal reads the filter, if the answer to a list of numbers
// leaves a doubt. Otherwise it returns unknown, which counts as asList.
func (c *castFilters) judge(ctx context.Context, client *bitrix.Client, f *listFilter, asked, answered []int64) (reading, error) {
	switch {
	case strays(asked, answered):
		return c.reading(ctx, client, f)
	case proves(answered):
		c.note(f, asList)
	case proves(asked):
		return c.reading(ctx, client, f)
	}
	return unknown, nil
}

// reading returns how the portal reads the filter. It looks for an element whose number
// is above 1, and requests it by a list of that number alone. It accepts an answer
// without elements only if it receives it twice.
func (c *castFilters) reading(ctx context.Context, client *bitrix.Client, f *listFilter) (reading, error) {
	if c == nil {
		return f.probe(ctx, client)
	}
	c.mu.Lock()
	r := c.known[f.name()]
	c.mu.Unlock()
	if r != unknown {
		return r, nil
	}
	// A probe waits for the portal. It must not hold the mutex, or has would wait as
	// well.
	_, err, _ := c.probes.Do(f.name(), func() (any, error) {
		found, err := f.probe(ctx, client)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.set(f, found)
		}
		return nil, err
	})
	if err != nil {
		return unknown, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[f.name()], nil
}

// note records how the portal reads the filter, if that is not known yet.
func (c *castFilters) note(f *listFilter, r reading) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[f.name()] == unknown {
		c.set(f, r)
	}
}

func (c *castFilters) set(f *listFilter, r reading) {
	if c.known == nil {
		c.known = make(map[string]reading)
	}
	c.known[f.name()] = r
}

func (f *listFilter) probe(ctx context.Context, client *bitrix.Client) (_ reading, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("find out how the portal reads the filter of %s: %w", f.name(), err)
		}
	}()
	ask := func(cmd bitrix.Command) (numbers []int64, err error) {
		for range 2 {
			res, err := client.Call(ctx, cmd.Method, cmd.Params)
			if err != nil {
				return nil, err
			}
			if _, numbers, err = bitrix.ItemsByID(res.Value, f.items, f.field); err != nil || proves(numbers) {
				return numbers, err
			}
		}
		return numbers, nil
	}
	some, err := ask(f.with("some", ">"+f.field, 1))
	if err != nil {
		return unknown, err
	}
	if !proves(some) {
		return nothing, nil
	}
	n := slices.Max(some)
	same, err := ask(f.command("same", []int64{n}))
	if err == nil && !slices.Contains(same, n) {
		return asOne, nil
	}
	return asList, err
}

// element is an element of a list, with the number in the filter's field.
type element struct {
	number int64
	raw    []byte
	at     time.Time
	err    *bitrix.Error // the portal cannot encode the element; raw is then nil
}

// each returns the elements whose field is one of numbers, each number at most once: it
// is for fields such as an id. It requests numbers that an answer lacks once more, in a
// separate request.
func (f *listFilter) each(ctx context.Context, client *bitrix.Client, casting *castFilters, numbers []int64) ([]element, error) {
	found, err := f.ask(ctx, client, casting, numbers)
	if err != nil || len(found) >= len(numbers) {
		return found, err
	}
	there := make(map[int64]bool, len(found))
	for _, e := range found {
		there[e.number] = true
	}
	missing := slices.DeleteFunc(slices.Clone(numbers), func(n int64) bool { return there[n] })
	more, err := f.ask(ctx, client, casting, missing)
	return append(found, more...), err
}

// ask requests numbers once, in lists of a page's size if the portal reads lists.
func (f *listFilter) ask(ctx context.Context, client *bitrix.Client, casting *castFilters, numbers []int64) ([]element, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	if casting.has(f) {
		return f.askAlone(ctx, client, numbers)
	}
	var commands []bitrix.Command
	var asked [][]int64
	for part := range slices.Chunk(numbers, bitrix.PageSize) {
		asked = append(asked, part)
		commands = append(commands, f.command("i"+strconv.FormatInt(part[0], 10), part))
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return nil, err
	}
	var all []element
	for i, res := range results {
		if res.Err != nil && res.Err.BadEncoding() {
			found, err := f.askAlone(ctx, client, asked[i])
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
			continue
		}
		found, answered, err := f.read(&res)
		if err != nil {
			return nil, err
		}
		how, err := casting.judge(ctx, client, f, asked[i], answered)
		if err != nil {
			return nil, err
		}
		if how == asOne {
			return f.askAlone(ctx, client, numbers)
		}
		if err := f.only(asked[i], answered); err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// askAlone requests each number by itself.
func (f *listFilter) askAlone(ctx context.Context, client *bitrix.Client, numbers []int64) ([]element, error) {
	commands := make([]bitrix.Command, len(numbers))
	for i, n := range numbers {
		commands[i] = f.alone("i"+strconv.FormatInt(n, 10), n)
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return nil, err
	}
	var all []element
	for i, res := range results {
		if res.Err != nil && res.Err.BadEncoding() {
			all = append(all, element{number: numbers[i], at: res.At, err: res.Err})
			continue
		}
		found, answered, err := f.read(&res)
		if err == nil {
			err = f.only(numbers[i:i+1], answered)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (f *listFilter) read(res *bitrix.Result) (found []element, answered []int64, err error) {
	if res.Err != nil {
		return nil, nil, res.Err
	}
	raws, answered, err := bitrix.ItemsByID(res.Value, f.items, f.field)
	found = make([]element, len(raws))
	for i := range raws {
		found[i] = element{answered[i], raws[i], res.At, nil}
	}
	return found, answered, err
}

// only returns an error if an answer has a number that was not requested.
func (f *listFilter) only(asked, answered []int64) error {
	for _, n := range answered {
		if !slices.Contains(asked, n) {
			return fmt.Errorf("got %s %d, which was not asked for: %s ignores its filter", f.field, n, f.method)
		}
	}
	return nil
}
