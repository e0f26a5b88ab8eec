package extract

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"harken/har"
)

// The limits of messages that are decoded without a schema, where any bytes may
// look like a nested message.
const (
	maxMessages     = 1000
	maxMessage      = 8 << 20 // after gzip
	maxMessageDepth = 32
	maxFields       = 20_000 // of one message
)

// grpc adds the fields of the messages of a gRPC body: each is five bytes of
// flag and length, then protobuf. The body may be base64 (gRPC-Web text). Fields
// are "param_" and their number. A body that does not end with a message is not
// valid.
func (x *Extractor) grpc(b []byte, headers []har.Header) {
	if len(b) > 0 && b[0] >= '+' && b[0] < 0x80 {
		// No flag of a message looks like this, but base64 does.
		var ok bool
		if b, ok = decodeChunks(bytes.TrimSpace(b)); !ok {
			return
		}
	}
	unpacked := MaxBody // bytes that may come out of gzip
	for n := 0; len(b) > 0; n++ {
		if len(b) < 5 || int64(len(b)-5) < int64(binary.BigEndian.Uint32(b[1:])) {
			x.drop()
			return
		}
		flag, size := b[0], int(binary.BigEndian.Uint32(b[1:]))
		msg := b[5 : 5+size]
		b = b[5+size:]
		switch {
		case flag&0x80 != 0: // the trailers of gRPC-Web
			continue
		case n >= maxMessages:
			x.skipped++
			continue
		case flag&1 != 0:
			if value(headers, "grpc-encoding") != "gzip" {
				x.skipped++
				continue
			}
			if msg = gunzip(msg, min(maxMessage, unpacked)); msg == nil {
				unpacked -= min(maxMessage, unpacked) // it may have been too large
				x.skipped++
				continue
			}
			unpacked -= len(msg)
		}
		if len(msg) > 0 && !x.message(msg, 1) {
			x.drop()
			return
		}
	}
}

// decodeChunks decodes base64, also where each frame was encoded, and padded, by
// itself.
func decodeChunks(b []byte) ([]byte, bool) {
	out := make([]byte, 0, base64.StdEncoding.DecodedLen(len(b)))
	for len(b) > 0 {
		n := len(b)
		if i := bytes.IndexByte(b, '='); i >= 0 {
			for n = i; n < len(b) && b[n] == '='; n++ {
			}
		}
		var err error
		if out, err = base64.StdEncoding.AppendDecode(out, b[:n]); err != nil {
			return nil, false
		}
		b = b[n:]
	}
	return out, true
}

func gunzip(b []byte, limit int) []byte {
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(zr, int64(limit)+1))
	if err != nil || len(out) > limit {
		return nil
	}
	return out
}

// A protoField is one field of a message on the wire.
type protoField struct {
	number int
	wire   byte
	value  uint64
	data   []byte
}

// message adds the fields of a message and reports whether it is one: at least
// one field, and nothing left over.
func (x *Extractor) message(b []byte, depth int) bool {
	fields, ok := protoFields(b)
	if !ok || len(fields) == 0 {
		return false
	}
	if len(fields) > maxFields {
		x.skipped++
		return true
	}
	counts := map[int]int{}
	for i := range fields {
		counts[fields[i].number]++
	}
	var name []byte
	for i := range fields {
		f := &fields[i]
		name = strconv.AppendInt(append(name[:0], "param_"...), int64(f.number), 10)
		base, elem := x.push(string(name)), -1
		if counts[f.number] > 1 {
			elem = x.push("$")
		}
		x.protoValue(f, depth)
		if elem >= 0 {
			x.pop(elem)
		}
		x.pop(base)
	}
	return true
}

func (x *Extractor) protoValue(f *protoField, depth int) {
	switch f.wire {
	case 0:
		x.add(strconv.FormatInt(int64(f.value), 10), Number) //nolint:gosec // negative numbers are sent as their two's complement
	case 1:
		x.add(strconv.FormatFloat(math.Float64frombits(f.value), 'g', -1, 64), Number)
	case 5:
		x.add(strconv.FormatFloat(float64(math.Float32frombits(uint32(f.value))), 'g', -1, 32), Number) //nolint:gosec // 32 bits were read
	default:
		if isText(f.data) {
			x.add(string(f.data[:min(len(f.data), MaxValue+utf8.UTFMax)]), Text)
		} else if depth < maxMessageDepth {
			x.message(f.data, depth+1)
		}
	}
}

// isText reports UTF-8 without the control characters up to U+001B, which is how
// a string is told from a nested message.
func isText(b []byte) bool {
	for _, c := range b {
		if c <= 0x1b {
			return false
		}
	}
	return utf8.Valid(b)
}

func protoFields(b []byte) (fields []protoField, ok bool) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 >= 1<<29 {
			return nil, false
		}
		b = b[n:]
		f := protoField{number: int(tag >> 3), wire: byte(tag & 7)}
		switch f.wire {
		case 0:
			if f.value, n = binary.Uvarint(b); n <= 0 {
				return nil, false
			}
		case 1:
			if n = 8; len(b) < n {
				return nil, false
			}
			f.value = binary.LittleEndian.Uint64(b)
		case 2:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > MaxBody || int(size) > len(b)-m {
				return nil, false
			}
			n = m + int(size)
			f.data = b[m:n]
		case 5:
			if n = 4; len(b) < n {
				return nil, false
			}
			f.value = uint64(binary.LittleEndian.Uint32(b))
		default:
			return nil, false
		}
		if len(fields) <= maxFields { // one more shows that there are too many
			fields = append(fields, f)
		}
		b = b[n:]
	}
	return fields, true
}
