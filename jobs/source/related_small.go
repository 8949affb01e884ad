package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/jobs/source/spill"
	"b24export/schemas"
)

// firstUsers and firstStatuses are how many pages the first request contains, before
// their number is known. They are enough for nearly all portals, and cheap if there are
// fewer pages.
const (
	firstUsers    = 10
	firstStatuses = 4
)

// Small contains the small tables, whose lists are read as a whole.
type Small struct {
	Users  *Rows[schemas.User]
	Stages *Rows[schemas.Stage]
	Pays   *Rows[schemas.PaySystem]
	// Errs are the errors of tables that could not be read, by the tables' names.
	Errs map[string]error
}

// Close removes the temporary files.
func (s *Small) Close() error { return errors.Join(s.Users.Close(), s.Stages.Close(), s.Pays.Close()) }

// smallLists are the tables that are read in one request, with their methods.
var smallLists = []struct{ table, method string }{
	{"users", bitrix.MethodUserGet}, {"stages", bitrix.MethodStatusList}, {"pay_systems", bitrix.MethodPaySystemList},
}

// Small reads the wanted ones of the tables users, stages and pay_systems. An error of
// one table does not affect the others. Stages contains the stages of the types that
// payments refer to; Refer must be called first.
func (r *Related) Small(ctx context.Context, wanted func(table string) bool) *Small {
	s := &Small{
		Users: &Rows[schemas.User]{table: schemas.UserTable, fill: func(_ spill.Key, at schemas.Instant, row *schemas.User) { row.ExtractedAt = schemas.Some(at) }},
		Pays:  &Rows[schemas.PaySystem]{table: schemas.PaySystemTable, fill: func(_ spill.Key, at schemas.Instant, row *schemas.PaySystem) { row.ExtractedAt = schemas.Some(at) }},
		Errs:  make(map[string]error),
	}
	f := &funnels{names: make(map[[2]int64]string)}
	s.Stages = &Rows[schemas.Stage]{table: schemas.StageTable, fill: f.fill}
	left := make(map[string]bool)
	for _, l := range smallLists {
		left[l.table] = wanted(l.table)
	}
	results, failed := r.askSmall(ctx, left)
	for table, err := range failed {
		s.Errs[table] = err
	}
	read := map[string]func([]bitrix.Result) error{
		"users":       func(got []bitrix.Result) error { return r.users(ctx, got, s.Users) },
		"stages":      func(got []bitrix.Result) error { return r.stages(ctx, got, s.Stages, f) },
		"pay_systems": func(got []bitrix.Result) error { return r.systems(ctx, got, s.Pays) },
	}
	for _, l := range smallLists {
		if got := results[l.table]; got != nil {
			if err := read[l.table](got); err != nil {
				s.Errs[l.table] = err
			}
		}
	}
	return s
}

// askSmall requests the first pages of the lists in one request. If a right for one of
// the lists is missing, the whole request fails. askSmall then repeats it without that
// list.
func (r *Related) askSmall(ctx context.Context, left map[string]bool) (map[string][]bitrix.Result, map[string]error) {
	failed := make(map[string]error)
	for {
		var commands []bitrix.Command
		var of []string
		add := func(table, method string, params bitrix.Params) {
			commands = append(commands, bitrix.Command{Key: fmt.Sprintf("s%d", len(commands)), Method: method, Params: params})
			of = append(of, table)
		}
		if left["users"] {
			for i := range firstUsers {
				add("users", bitrix.MethodUserGet, userPage(i))
			}
		}
		if left["stages"] {
			for i := range firstStatuses {
				add("stages", bitrix.MethodStatusList, statusPage(i))
			}
		}
		if left["pay_systems"] {
			add("pay_systems", bitrix.MethodPaySystemList, systemPage(0))
		}
		if len(commands) == 0 {
			return nil, failed
		}
		results, err := r.client.Batch(ctx, commands)
		if err == nil {
			got := make(map[string][]bitrix.Result)
			for i, res := range results {
				got[of[i]] = append(got[of[i]], res)
			}
			return got, failed
		}
		e, ok := errors.AsType[*bitrix.Error](err)
		at := slices.IndexFunc(smallLists, func(l struct{ table, method string }) bool { return ok && l.method == e.Method && left[l.table] })
		if at < 0 {
			for table, wanted := range left {
				if wanted {
					failed[table] = err
				}
			}
			return nil, failed
		}
		failed[smallLists[at].table] = err
		left[smallLists[at].table] = false
	}
}

// userPage returns the parameters for a page of users. This method has sort and order
// as two strings, not as a map.
func userPage(n int) bitrix.Params {
	return bitrix.Params{"sort": "ID", "order": "ASC", "select": schemas.UserTable.Fields(), "start": n * bitrix.PageSize}
}

// oneUser asks for one user.
func oneUser(id int64) bitrix.Params {
	return bitrix.Params{"sort": "ID", "order": "ASC", "select": schemas.UserTable.Fields(), "filter": bitrix.Params{"=ID": id}, "start": -1}
}

func statusPage(n int) bitrix.Params { return bitrix.Params{"start": n * bitrix.PageSize} }

// systemPage returns the parameters for the payment systems after an id. This method's
// parameters are in capitals.
func systemPage(after int64) bitrix.Params {
	return bitrix.Params{"SELECT": schemas.PaySystemTable.Fields(), "FILTER": bitrix.Params{">ID": after}, "ORDER": bitrix.Params{"ID": "ASC"}}
}

// oneSystem asks for one payment system.
func oneSystem(id int64) bitrix.Params {
	p := systemPage(0)
	p["FILTER"] = bitrix.Params{"=ID": id}
	return p
}

// funnels contains the funnels of the CRM types, and the place of each stage.
type funnels struct {
	names map[[2]int64]string // by type and funnel
}

func (f *funnels) fill(key spill.Key, at schemas.Instant, row *schemas.Stage) {
	row.EntityTypeID, row.CategoryID, row.ExtractedAt = key[0], schemas.Some(key[1]), schemas.Some(at)
	if name := f.names[[2]int64{key[0], key[1]}]; name != "" {
		row.Category = schemas.Some(name)
	}
}

// stages selects the stages of the types that payments refer to from all directories of
// the CRM. For types with several funnels it requests the funnels' names.
func (r *Related) stages(ctx context.Context, got []bitrix.Result, rows *Rows[schemas.Stage], f *funnels) error {
	seen := make(map[string]bool)
	of := make(map[int64]map[int64]bool)
	type found struct {
		place [2]int64
		id    string
		raw   []byte
		at    time.Time
	}
	var all []found
	total, fresh := int64(0), 0
	read := func(res bitrix.Result, _ int) (int, error) {
		if res.Err != nil {
			return 0, res.Err
		}
		total = max(total, res.Total)
		items, err := bitrix.Items(res.Value, "")
		if err != nil {
			return 0, err
		}
		for _, raw := range items {
			var key struct {
				Entity string `json:"ENTITY_ID"`
				Status string `json:"STATUS_ID"`
			}
			if err := json.Unmarshal(raw, &key); err != nil || seen[key.Entity+"\x00"+key.Status] {
				continue // the method may not have pages, and send the same rows again
			}
			seen[key.Entity+"\x00"+key.Status] = true
			fresh++
			typeID, category, ok := stagesOf(key.Entity)
			if !ok || !r.types[typeID] {
				continue
			}
			if of[typeID] == nil {
				of[typeID] = make(map[int64]bool)
			}
			of[typeID][category] = true
			all = append(all, found{[2]int64{typeID, category}, key.Status, raw, r.how.stamp(res.At)})
		}
		return len(items), nil
	}
	for first := 0; ; {
		fresh = 0
		if err := r.readPages(ctx, bitrix.MethodStatusList, statusPage, got, first, &total, read); err != nil {
			return err
		}
		first += len(got)
		if fresh == 0 || int64(len(seen)) >= total {
			break
		}
		res, err := r.client.Call(ctx, bitrix.MethodStatusList, statusPage(first))
		if err != nil {
			return err
		}
		got = []bitrix.Result{res}
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.id, b.id) })
	for i, s := range all {
		// The third part of the key keeps the stages of a funnel in the order of their
		// ids.
		if err := rows.add(spill.Key{s.place[0], s.place[1], int64(i)}, element{raw: s.raw, at: s.at}); err != nil {
			return err
		}
	}
	for typeID, categories := range of {
		if len(categories) > 1 {
			r.names(ctx, typeID, f)
		}
	}
	return nil
}

// stagesOf parses the type and the funnel from a directory's name, such as DEAL_STAGE,
// DEAL_STAGE_10, SMART_INVOICE_STAGE_5 and DYNAMIC_128_STAGE_7.
func stagesOf(entity string) (typeID, category int64, ok bool) {
	number := func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && n >= 0
	}
	if rest, found := strings.CutPrefix(entity, "DEAL_STAGE"); found {
		if rest == "" {
			return 2, 0, true
		}
		category, ok = number(strings.TrimPrefix(rest, "_"))
		return 2, category, ok && rest[0] == '_'
	}
	if rest, found := strings.CutPrefix(entity, "SMART_INVOICE_STAGE_"); found {
		category, ok = number(rest)
		return 31, category, ok
	}
	if rest, found := strings.CutPrefix(entity, "DYNAMIC_"); found {
		kind, funnel, both := strings.Cut(rest, "_STAGE_")
		typeID, ok = number(kind)
		category, isNumber := number(funnel)
		return typeID, category, ok && both && isNumber
	}
	return 0, 0, false
}

// names requests the names of a type's funnels, of which it has some. It is a separate
// call because it is slow. If it fails, the names stay empty.
func (r *Related) names(ctx context.Context, typeID int64, f *funnels) {
	var items [][]byte
	for try := 0; try < 2 && len(items) == 0; try++ {
		res, err := r.client.Call(ctx, bitrix.MethodCategoryList, bitrix.Params{"entityTypeId": typeID})
		if err != nil {
			return
		}
		if items, err = bitrix.Items(res.Value, "categories"); err != nil {
			return
		}
	}
	for _, raw := range items {
		var c struct {
			ID   json.Number `json:"id"` // 0 is a funnel
			Name string      `json:"name"`
		}
		if json.Unmarshal(raw, &c) == nil {
			if id, err := c.ID.Int64(); err == nil {
				f.names[[2]int64{typeID, id}] = c.Name
			}
		}
	}
}
