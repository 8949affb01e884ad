package schemas

// Null is a value that may be absent. The zero Null is absent. An absent Null always
// has the zero V, so == compares correctly.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some returns a value that is present.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }
