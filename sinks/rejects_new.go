package sinks

import (
	"context"
	"iter"

	"b24export/pipeline"
)

// NewRejects returns the number of rejects of a snapshot that the previous snapshot
// does not have. If the previous snapshot is no longer retained, or is damaged, it
// counts all rejects: too many rather than too few.
func (d *Dataset) NewRejects(ctx context.Context, m *pipeline.Manifest) (int64, error) {
	if m.Ledger.Rejected == 0 {
		return 0, nil
	}
	known := make(map[pipeline.PaymentID]bool)
	if m.Previous != "" {
		before, err := d.Manifest(ctx, m.Previous)
		if err == nil {
			err = eachReject(d.ReadRejects(ctx, before), func(id pipeline.PaymentID) { known[id] = true })
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil {
			clear(known)
		}
	}
	var count int64
	err := eachReject(d.ReadRejects(ctx, m), func(id pipeline.PaymentID) {
		if !known[id] {
			count++
		}
	})
	return count, err
}

func eachReject(rejects iter.Seq2[*pipeline.Reject, error], do func(pipeline.PaymentID)) error {
	for r, err := range rejects {
		if err != nil {
			return err
		}
		do(r.ID)
	}
	return nil
}
