// Package totals has the total of one currency: what rows are summed to, and what a
// manifest stores. It is a separate package, because rows do not know manifests, and
// the engine does not know rows.
package totals

// Total adds up one currency's payments. Sums are exact decimals with four digits
// after the point. A payment without a sum counts, but adds nothing.
type Total struct {
	Payments int64  `json:"payments"`
	Sum      string `json:"sum"`
	Paid     int64  `json:"paid"`
	PaidSum  string `json:"paid_sum"`
}
