package sinks

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"b24export/sinks/parquetcheck"
)

// finishFooter returns the end of a file, page indexes and footer, with a changed
// footer. parquet-go has no options for these changes.
//
// Bounds of more than maxBound bytes are removed from the row groups' statistics,
// because every reader reads the whole footer. They are not shortened, because engines
// that answer min() and max() from statistics use them as exact values.
func finishFooter(tail []byte, version int32) ([]byte, error) {
	footer, err := footerOf(tail)
	if err != nil {
		return nil, err
	}
	var meta format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), footer, &meta); err != nil {
		return nil, fmt.Errorf("read the footer that was just written: %w", err)
	}
	meta.Version = version
	for i := range meta.RowGroups {
		for j := range meta.RowGroups[i].Columns {
			s := &meta.RowGroups[i].Columns[j].MetaData.Statistics
			if len(s.MinValue) > maxBound || len(s.MaxValue) > maxBound {
				s.MinValue, s.MaxValue = nil, nil
			}
		}
	}
	out := bytes.NewBuffer(tail[:len(tail)-8-len(footer)])
	begin := out.Len()
	protocol := new(thrift.CompactProtocol)
	if err := thrift.NewEncoder(protocol.NewWriter(out)).Encode(&meta); err != nil {
		return nil, err
	}
	data := binary.LittleEndian.AppendUint32(out.Bytes(), uint32(out.Len()-begin))
	return append(data, "PAR1"...), nil
}

// footerOf returns the footer at the end of data.
func footerOf(data []byte) ([]byte, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%w: no footer", parquetcheck.ErrCorrupt)
	}
	n := uint64(binary.LittleEndian.Uint32(data[len(data)-8:]))
	if n > uint64(len(data)-8) {
		return nil, fmt.Errorf("%w: a footer of %d bytes in %d", parquetcheck.ErrCorrupt, n, len(data))
	}
	return data[len(data)-8-int(n) : len(data)-8], nil
}
