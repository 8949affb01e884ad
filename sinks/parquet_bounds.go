package sinks

import (
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// maxBound is the maximum number of bytes of a text in the bounds of a page, and in the
// statistics of a row group.
const maxBound = 64

// boundedText is the type of a text column whose column index has short bounds.
//
// parquet-go cannot omit a column from the column index. With SkipPageBounds it writes
// the empty text as minimum and maximum of each page, and an engine that prunes pages
// by them finds no rows. Its own ColumnIndexSizeLimit cuts texts inside of characters,
// and keeps whole texts in memory until the row group ends.
type boundedText struct{ parquet.Type }

// NewColumnIndexer returns an indexer that shortens bounds. It ignores limit.
func (t boundedText) NewColumnIndexer(int) parquet.ColumnIndexer {
	return &boundedIndexer{t.Type.NewColumnIndexer(0)}
}

type boundedIndexer struct{ parquet.ColumnIndexer }

// IndexPage adds a page. Both bounds are null if all its values are.
func (b *boundedIndexer) IndexPage(numValues, numNulls int64, minimum, maximum parquet.Value) {
	if !minimum.IsNull() {
		minimum = parquet.ByteArrayValue(lowerBound(minimum.ByteArray()))
		maximum = parquet.ByteArrayValue(upperBound(maximum.ByteArray()))
	}
	b.ColumnIndexer.IndexPage(numValues, numNulls, minimum, maximum)
}

// lowerBound returns the beginning of text, at most maxBound bytes, without an
// incomplete character.
func lowerBound(text []byte) []byte {
	if len(text) <= maxBound {
		return text
	}
	n := maxBound
	for n > maxBound-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// upperBound returns a text of at most maxBound bytes that is not less than any text
// with the same beginning. If there is none, it returns text itself.
func upperBound(text []byte) []byte {
	if len(text) <= maxBound {
		return text
	}
	// UTF-8 sorts like code points. So the next code point instead of the last
	// character is greater than everything with that character there.
	for cut := lowerBound(text); len(cut) > 0; {
		r, n := utf8.DecodeLastRune(cut)
		cut = cut[:len(cut)-n]
		if r == utf8.RuneError && n == 1 {
			return text // it is not UTF-8
		}
		next := r + 1
		if next == 0xD800 {
			next = 0xE000 // the code points in between are not characters
		}
		if utf8.ValidRune(next) && len(cut)+utf8.RuneLen(next) <= maxBound {
			return utf8.AppendRune(append([]byte(nil), cut...), next)
		}
	}
	return text
}
