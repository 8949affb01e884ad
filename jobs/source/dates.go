package source

import (
	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// Dates implements pipeline.Source.
func (s *Source) Dates() *pipeline.Dates {
	if s.find.sale == nil {
		return nil
	}
	if c := s.find.sale.measured.Load(); c != nil {
		return c.dates()
	}
	return nil
}

// probed returns the gets of a chunk's payments that were made to measure the list's
// clock. If a payment has changed since then, its get is left out and made again.
func (s *Source) probed(chunk []listed) map[pipeline.PaymentID]bitrix.Result {
	if s.find.sale == nil {
		return nil
	}
	var known map[pipeline.PaymentID]bitrix.Result
	for i, res := range s.find.sale.probes(chunk) {
		row := chunk[i].Row
		if row.ReadGot(res.Value) == nil && schemas.SameListed(&chunk[i].Row, &row, s.fields) {
			if known == nil {
				known = map[pipeline.PaymentID]bitrix.Result{}
			}
			known[chunk[i].ID] = res
		}
	}
	return known
}

// splitBy returns the items for which is returns true, and the others. If it is true
// for all, the first result is items itself.
func splitBy(items []listed, is func(*listed) bool) (so, not []listed) {
	for i := range items {
		if !is(&items[i]) {
			not = append(not, items[i])
		}
	}
	if len(not) == 0 {
		return items, nil
	}
	so = make([]listed, 0, len(items)-len(not))
	for i := range items {
		if is(&items[i]) {
			so = append(so, items[i])
		}
	}
	return so, not
}
