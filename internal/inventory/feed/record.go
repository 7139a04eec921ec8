package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

// A record is a row as bytes: its length, then number, line, a bit set of the
// fields that are present, and these fields' texts each after its length. All
// numbers are unsigned varints. Records stand in frames: the length of the
// content and its CRC-32C, four bytes each and little-endian, then the content.
const frameHead = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxFrame bounds what a frame may claim to hold.
const maxFrame = 1 << 30

// appendRecord adds the row's record to b, and says where in b its item id
// stands. withStore false leaves the store out, for streams that have one.
func appendRecord(b []byte, row *Row, withStore bool) (record []byte, itemAt int) {
	var set uint64
	size := 0
	for f, v := range row.Values {
		if v != "" && (withStore || Field(f) != StoreID) {
			set |= 1 << f
			size += uvarintLen(uint64(len(v))) + len(v)
		}
	}
	size += uvarintLen(uint64(row.Number)) + uvarintLen(uint64(row.Line)) + uvarintLen(set)
	b = binary.AppendUvarint(b, uint64(size))
	b = binary.AppendUvarint(b, uint64(row.Number))
	b = binary.AppendUvarint(b, uint64(row.Line))
	b = binary.AppendUvarint(b, set)
	for rest := set; rest != 0; rest &= rest - 1 {
		f := bits.TrailingZeros64(rest)
		v := row.Values[f]
		b = binary.AppendUvarint(b, uint64(len(v)))
		if Field(f) == ItemID {
			itemAt = len(b)
		}
		b = append(b, v...)
	}
	return b, itemAt
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

var errRecord = errors.New("a record does not parse")

// cutRecord splits the first record's body off b, which may alias a string.
func cutRecord[T string | []byte](b T) (body, rest T, err error) {
	n, at := uvarint(b)
	if at <= 0 || n > uint64(len(b)-at) {
		return body, rest, errRecord
	}
	return b[at : at+int(n)], b[at+int(n):], nil
}

// uvarint is binary.Uvarint for text too: decoding from a string lets the
// values of a row alias it.
func uvarint[T string | []byte](b T) (uint64, int) {
	var v uint64
	for i := 0; i < len(b) && i < binary.MaxVarintLen64; i++ {
		c := b[i]
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 {
				return 0, -1
			}
			return v | uint64(c)<<(7*i), i + 1
		}
		v |= uint64(c&0x7f) << (7 * i)
	}
	return 0, -1
}

// decodeBody reads a record's body. fields says which field each bit stands
// for, NumFields for one that this version does not know. The values alias
// the body.
func decodeBody(body string, row *Row, fields []Field) error {
	var head [3]uint64
	for i := range head {
		v, n := uvarint(body)
		if n <= 0 {
			return errRecord
		}
		head[i], body = v, body[n:]
	}
	*row = Row{Number: int64(head[0]), Line: int64(head[1])}
	for set := head[2]; set != 0; set &= set - 1 {
		bit := bits.TrailingZeros64(set)
		size, n := uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) || bit >= len(fields) {
			return errRecord
		}
		if f := fields[bit]; f < NumFields {
			row.Values[f] = body[n : n+int(size)]
		}
		body = body[n+int(size):]
	}
	if body != "" || row.Number < 0 || row.Line < 0 {
		return errRecord
	}
	return nil
}

// currentFields is the identity: bits as this version numbers its fields.
var currentFields = func() []Field {
	all := make([]Field, NumFields)
	for f := range all {
		all[f] = Field(f)
	}
	return all
}()

// appendFrame wraps content in length and checksum.
func appendFrame(b, content []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(content)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(content, castagnoli))
	return append(b, content...)
}

// openFrame checks a whole frame and is its content.
func openFrame(frame []byte) ([]byte, error) {
	if len(frame) < frameHead {
		return nil, errors.New("a frame is cut short")
	}
	content := frame[frameHead:]
	if n := binary.LittleEndian.Uint32(frame); uint64(n) != uint64(len(content)) {
		return nil, fmt.Errorf("a frame of %d bytes claims %d", len(content), n)
	}
	if crc32.Checksum(content, castagnoli) != binary.LittleEndian.Uint32(frame[4:]) {
		return nil, errors.New("a checksum does not hold")
	}
	return content, nil
}

// readFrame reads the next frame of a stream into buf, grown where needed;
// io.EOF where the stream ends between frames.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	if cap(buf) < frameHead {
		buf = make([]byte, frameHead, 64<<10)
	}
	buf = buf[:frameHead]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, err
	}
	n := int(binary.LittleEndian.Uint32(buf))
	if n > maxFrame {
		return buf, fmt.Errorf("a frame claims %d bytes", n)
	}
	if cap(buf) < frameHead+n {
		grown := make([]byte, frameHead+n)
		copy(grown, buf)
		buf = grown
	}
	buf = buf[:frameHead+n]
	if _, err := io.ReadFull(r, buf[frameHead:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return buf, err
	}
	_, err := openFrame(buf)
	return buf, err
}
