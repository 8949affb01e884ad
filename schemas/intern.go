package schemas

import "hash/maphash"

// interner keeps one copy of strings that occur often, such as currencies. It holds at
// most 256 strings of at most 64 bytes; a new string replaces the one with the same
// hash.
type interner struct {
	seed maphash.Seed
	kept [256]string
}

func newInterner() *interner { return &interner{seed: maphash.MakeSeed()} }

// str returns b as a string, without an allocation if the string is kept.
func (in *interner) str(b []byte) string {
	const longest = 64
	if len(b) > longest {
		return string(b)
	}
	slot := &in.kept[maphash.Bytes(in.seed, b)%uint64(len(in.kept))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
