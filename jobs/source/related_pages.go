package source

import (
	"context"
	"errors"
	"fmt"

	"b24export/bitrix"
	"b24export/jobs/source/spill"
	"b24export/schemas"
)

// readable returns the rows of a page, which is the result, and how many rows the portal
// counts. Where the portal cannot encode the page, it asks for the ids of its rows by
// bare, and for each row by one: a row that cannot be encoded has an error.
func (r *Related) readable(ctx context.Context, res bitrix.Result, method string, bare bitrix.Params, one func(id int64) bitrix.Params) (rows []element, counted int64, err error) {
	garbled := res.Err != nil && res.Err.BadEncoding()
	if garbled {
		if res, err = r.client.Call(ctx, method, bare); err != nil {
			return nil, 0, err
		}
	}
	if res.Err != nil {
		return nil, 0, res.Err
	}
	raws, ids, err := bitrix.ItemsByID(res.Value, "", "ID")
	if err != nil {
		return nil, 0, err
	}
	commands := make([]bitrix.Command, len(raws))
	for i, raw := range raws {
		rows = append(rows, element{ids[i], raw, r.how.stamp(res.At), nil})
		commands[i] = bitrix.Command{Key: fmt.Sprintf("r%d", i), Method: method, Params: one(ids[i])}
	}
	if !garbled {
		return rows, res.Total, nil
	}
	results, err := r.client.Batch(ctx, commands)
	if err != nil {
		return nil, 0, err
	}
	there := rows[:0]
	for i := range results {
		row, alone := rows[i], &results[i]
		if alone.Err != nil && !alone.Err.BadEncoding() {
			return nil, 0, alone.Err
		}
		if row.err = alone.Err; row.err == nil {
			found, err := bitrix.Items(alone.Value, "")
			if err != nil {
				return nil, 0, err
			}
			if len(found) != 1 {
				continue // deleted in between
			}
			row.raw, row.at = found[0], r.how.stamp(alone.At)
		}
		there = append(there, row)
	}
	return there, res.Total, nil
}

// shortPages returns which pages of a list have fewer rows than the portal's count implies.
// rows has the number of rows of each page, of which the first is page first of the list.
// The first page of a list always has a row.
func shortPages(rows []int, first int, total int64) []int {
	var short []int
	for i, n := range rows {
		before := int64(first+i) * bitrix.PageSize
		if int64(n) < min(bitrix.PageSize, max(total, 1)-before) {
			short = append(short, first+i)
		}
	}
	return short
}

// readPages calls read for the results got of pages of a list, of which the first is page
// first. read returns how many rows a result has, and sets total to the portal's count. A
// page with fewer rows than the count implies is requested once more.
func (r *Related) readPages(ctx context.Context, method string, page func(int) bitrix.Params, got []bitrix.Result, first int,
	total *int64, read func(res bitrix.Result, page int) (int, error)) error {
	rows := make([]int, len(got))
	for i, res := range got {
		var err error
		if rows[i], err = read(res, first+i); err != nil {
			return err
		}
	}
	short := shortPages(rows, first, *total)
	if len(short) == 0 {
		return nil
	}
	again, err := r.askPages(ctx, method, page, short)
	if err != nil {
		return err
	}
	for i, res := range again {
		if _, err := read(res, short[i]); err != nil {
			return err
		}
	}
	return nil
}

// askPages requests pages of a list, at most a batch of them.
func (r *Related) askPages(ctx context.Context, method string, page func(int) bitrix.Params, pages []int) ([]bitrix.Result, error) {
	commands := make([]bitrix.Command, len(pages))
	for i, n := range pages {
		commands[i] = bitrix.Command{Key: fmt.Sprintf("s%d", i), Method: method, Params: page(n)}
	}
	return r.client.Batch(ctx, commands)
}

// users reads the pages of users, and requests the remaining ones.
func (r *Related) users(ctx context.Context, got []bitrix.Result, rows *Rows[schemas.User]) error {
	total, found := int64(0), 0
	seen := make(map[int64]bool)
	read := func(res bitrix.Result, page int) (int, error) {
		bare := userPage(page)
		bare["select"] = []string{"ID"}
		users, counted, err := r.readable(ctx, res, bitrix.MethodUserGet, bare, oneUser)
		if err != nil {
			return 0, err
		}
		total = max(total, counted)
		for _, row := range users {
			if seen[row.number] {
				continue
			}
			seen[row.number] = true
			found++
			if err := rows.add(spill.Key{0, row.number}, row); err != nil {
				return 0, err
			}
		}
		return len(users), nil
	}
	for first := 0; ; {
		found = 0
		if err := r.readPages(ctx, bitrix.MethodUserGet, userPage, got, first, &total, read); err != nil {
			return err
		}
		first += len(got)
		if found == 0 || int64(first)*bitrix.PageSize >= total {
			return nil
		}
		var pages []int
		for n := first; int64(n)*bitrix.PageSize < total && len(pages) < bitrix.MaxCommands; n++ {
			pages = append(pages, n)
		}
		var err error
		if got, err = r.askPages(ctx, bitrix.MethodUserGet, userPage, pages); err != nil {
			return err
		}
	}
}

// systems reads the payment systems, and requests more until nothing new is returned
// twice: the method may return all at once, or fewer than a page.
func (r *Related) systems(ctx context.Context, got []bitrix.Result, rows *Rows[schemas.PaySystem]) error {
	res, last := got[0], int64(0)
	for ended := false; ; {
		bare := systemPage(last)
		bare["SELECT"] = []string{"ID"}
		page, _, err := r.readable(ctx, res, bitrix.MethodPaySystemList, bare, oneSystem)
		if err != nil {
			return err
		}
		before := last
		for _, row := range page {
			if err := rows.add(spill.Key{0, row.number}, row); err != nil {
				return err
			}
			last = max(last, row.number)
		}
		if last == before && ended {
			return nil
		}
		ended = last == before
		res, err = r.client.Call(ctx, bitrix.MethodPaySystemList, systemPage(last))
		if e, ok := errors.AsType[*bitrix.Error](err); ok && e.BadEncoding() {
			res, err = bitrix.Result{Err: e}, nil
		}
		if err != nil {
			return err
		}
	}
}
