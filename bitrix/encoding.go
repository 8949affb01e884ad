package bitrix

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// PHP encodes an answer as a whole. If one text in it is not UTF-8, the whole answer is
// WRONG_ENCODING, whatever else was requested. The client therefore halves a batch
// until the command with such a text is alone, and reads a page of a list in ranges of
// ids.

// BadEncoding reports whether the portal could not encode its answer, because a text in
// it is not UTF-8.
func (e *Error) BadEncoding() bool { return strings.EqualFold(e.Code, CodeWrongEncoding) }

// halve gets the results of the commands at places in two requests, after e for all of
// them together. For one command, e is its result.
func (c *Client) halve(ctx context.Context, cmds []Command, places []int, out []Result, e *Error) error {
	if len(places) == 1 {
		i := places[0]
		own := *e
		own.Method, own.Key, own.where = cmds[i].Method, cmds[i].Key, inCommand
		out[i] = Result{Err: &own, Total: -1, Next: -1, Attempts: out[i].Attempts + 1, At: time.Now()}
		c.counters.commands.Add(1)
		return nil
	}
	half := len(places) / 2
	for _, part := range [][]int{places[:half], places[half:]} {
		some, results := make([]Command, len(part)), make([]Result, len(part))
		for k, i := range part {
			some[k] = cmds[i]
		}
		c.counters.retries.Add(int64(len(part)))
		if err := c.part(ctx, some, results); err != nil {
			return err
		}
		for k, i := range part {
			results[k].Attempts += out[i].Attempts + 1
			out[i] = results[k]
		}
	}
	return nil
}

// askReadable gets the next page if the portal cannot encode one or more of its
// elements. Ids can always be encoded. It therefore requests the page's ids first, and
// then the elements in ranges of ids, which it halves. An element that cannot be read
// has only its id.
func (w *walk) askReadable(ctx context.Context) (links, error) {
	bare := w.list
	bare.Select = []string{bare.IDField}
	w.asked++
	r, _, err := w.c.single(ctx, bare.chain(w.cursor, w.through, 1, w.count)[0], w.count == countFirst)
	if err != nil {
		return links{}, err
	}
	if r.Err != nil {
		return links{}, r.Err // such as ids that cannot be encoded either
	}
	k := w.list.cut([]Result{r}, w.cursor)
	if len(k.pages) > 0 {
		page := &k.pages[0]
		page.Garbled = map[int64]*Error{}
		err = w.fill(ctx, page, 0, len(page.IDs))
	}
	return k, err
}

// fill gets the elements from..to-1 of a page of ids.
func (w *walk) fill(ctx context.Context, page *Page, from, to int) error {
	params := w.list.between(">=", page.IDs[from], page.IDs[to-1], false)
	w.asked++
	r, _, err := w.c.single(ctx, Command{Key: "range", Method: w.list.Method, Params: params}, false)
	switch {
	case err != nil:
		return err
	case r.Err != nil && r.Err.BadEncoding() && to-from == 1:
		page.Garbled[page.IDs[from]] = r.Err
		return nil
	case r.Err != nil && r.Err.BadEncoding():
		middle := (from + to) / 2
		if err := w.fill(ctx, page, from, middle); err != nil {
			return err
		}
		return w.fill(ctx, page, middle, to)
	case r.Err != nil:
		return r.Err
	}
	p, err := decodePage(r.Value, w.list.Items, w.list.IDField)
	if err != nil {
		return err
	}
	for i, id := range p.ids {
		if from+i >= to || page.IDs[from+i] != id {
			return ErrStall // the list has changed in between
		}
		page.Items[from+i] = p.items[i]
	}
	if len(p.ids) < to-from {
		return fmt.Errorf("%w: some are missing", ErrStall)
	}
	page.At = r.At
	return nil
}
