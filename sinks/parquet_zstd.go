package sinks

import (
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"

	"b24export/sinks/parquetcheck"
)

// zstdCodec compresses pages with Zstandard. It needs less memory than parquet-go's
// codec: a page is compressed as a whole, so a window of 8 MiB, and the history of
// twice that size, would be of no use. It is safe for concurrent use.
type zstdCodec struct {
	encoders, decoders sync.Pool
}

var _ compress.Codec = (*zstdCodec)(nil)

// zstdWindow is the maximum distance of a match. It is longer than most pages.
const zstdWindow = 512 << 10

// segmentZstd is for files that are read once and then deleted.
var segmentZstd = newZstdCodec(zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(false))

// newZstdCodec returns a codec; options override its defaults.
func newZstdCodec(options ...zstd.EOption) *zstdCodec {
	c := &zstdCodec{}
	c.encoders.New = func() any {
		e, err := zstd.NewWriter(nil, append([]zstd.EOption{
			zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderLevel(zstd.SpeedDefault),
			zstd.WithWindowSize(zstdWindow),
			zstd.WithZeroFrames(true),
			// This saves a tenth in columns of few distinct texts, whose bits hardly
			// repeat.
			zstd.WithAllLitEntropyCompression(true),
			zstd.WithEncoderCRC(false), // pages have their own checksum
		}, options...)...)
		if err != nil {
			panic(err) // unreachable: the options are valid
		}
		return e
	}
	c.decoders.New = func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(parquetcheck.MaxPage))
		if err != nil {
			panic(err) // unreachable: the options are valid
		}
		return d
	}
	return c
}

// String implements compress.Codec.
func (c *zstdCodec) String() string { return "ZSTD" }

// CompressionCodec implements compress.Codec.
func (c *zstdCodec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode implements compress.Codec.
func (c *zstdCodec) Encode(dst, src []byte) ([]byte, error) {
	e := c.encoders.Get().(*zstd.Encoder)
	defer c.encoders.Put(e)
	return e.EncodeAll(src, dst[:0]), nil
}

// Decode implements compress.Codec.
func (c *zstdCodec) Decode(dst, src []byte) ([]byte, error) {
	d := c.decoders.Get().(*zstd.Decoder)
	defer c.decoders.Put(d)
	return d.DecodeAll(src, dst[:0])
}
