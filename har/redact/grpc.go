package redact

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxMessage      = 8 << 20  // after gzip
	maxUnpacked     = 64 << 20 // of all messages of a body
	maxMessageDepth = 32
	maxLength       = 1 << 30 // of a field
)

// grpc rewrites the messages of a gRPC body, each five bytes of flag and length
// and protobuf without a schema: strings that are secrets are replaced, numbers
// are set to zero. Messages that were compressed are written uncompressed if they
// change. What is not a whole message at the end becomes a mask. A body of
// gRPC-Web text stays base64.
func (w *worker) grpc(s string) (string, bool) {
	if w.r.types == nil {
		return s, false
	}
	if s[0] >= '+' && s[0] < 0x80 {
		b, ok := decodeChunks(strings.TrimSpace(s))
		if !ok {
			return Mask, true
		}
		out, changed := w.frames(view(b))
		if !changed {
			return s, false
		}
		return base64.StdEncoding.EncodeToString([]byte(out)), true
	}
	return w.frames(s)
}

// decodeChunks decodes base64, also where each chunk of it is padded.
func decodeChunks(s string) (out []byte, ok bool) {
	for s != "" {
		n := len(s)
		if i := strings.IndexByte(s, '='); i >= 0 {
			for n = i; n < len(s) && s[n] == '='; n++ {
			}
		}
		b, err := base64.StdEncoding.DecodeString(s[:n])
		if err != nil {
			return nil, false
		}
		out, s = append(out, b...), s[n:]
	}
	return out, true
}

func (w *worker) frames(s string) (string, bool) {
	var out []byte
	changed, left := false, maxUnpacked
	for s != "" {
		if len(s) < 5 || int64(len(s)-5) < int64(binary.BigEndian.Uint32([]byte(s[1:5]))) {
			return string(append(out, Mask...)), changed || s != Mask
		}
		n := int(binary.BigEndian.Uint32([]byte(s[1:5])))
		frame, message := s[:5+n], s[5:5+n]
		s = s[5+n:]
		flag := frame[0]
		ok := flag&0x80 == 0 // others are trailers
		if ok && flag&1 != 0 {
			limit := min(maxMessage, left)
			if message, ok = gunzip(message, limit); ok {
				left -= len(message)
			} else {
				left -= limit // it may have been too large
			}
		}
		if ok {
			if m, parsed := w.protobuf(message, 1); parsed && m != message {
				out = append(out, flag&^1)
				out = binary.BigEndian.AppendUint32(out, uint32(len(m))) //nolint:gosec // within maxMessage and the body
				out = append(out, m...)
				changed = true
				continue
			}
		}
		out = append(out, frame...)
	}
	return string(out), changed
}

func gunzip(s string, limit int) (string, bool) {
	zr, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		return "", false
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(zr, int64(limit)+1))
	return b.String(), err == nil && n <= int64(limit)
}

// protobuf rewrites a message and reports whether it is one.
func (w *worker) protobuf(s string, depth int) (string, bool) {
	var out []byte
	b := []byte(s)
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 >= 1<<29 {
			return s, false
		}
		out = append(out, b[:n]...)
		b = b[n:]
		sc := scope{key: "param_" + strconv.FormatUint(tag>>3, 10), states: w.root}
		var size int
		switch tag & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return s, false
			}
			size = n
			if w.r.types(sc.key, strconv.FormatInt(int64(v), 10)) { //nolint:gosec // negative numbers are sent as their two's complement
				out = append(out, 0)
			} else {
				out = append(out, b[:n]...)
			}
		case 1, 5:
			if size = 8; tag&7 == 5 {
				size = 4
			}
			if len(b) < size {
				return s, false
			}
			if w.r.types(sc.key, float(b[:size])) {
				out = append(out, make([]byte, size)...)
			} else {
				out = append(out, b[:size]...)
			}
		case 2:
			length, n := binary.Uvarint(b)
			if n <= 0 || length > maxLength || int(length) > len(b)-n {
				return s, false
			}
			size = n + int(length)
			v := w.bytesField(sc, string(b[n:size]), depth)
			out = binary.AppendUvarint(out, uint64(len(v)))
			out = append(out, v...)
		default:
			return s, false
		}
		b = b[size:]
	}
	return string(out), true
}

// bytesField rewrites a string or a nested message.
func (w *worker) bytesField(sc scope, s string, depth int) string {
	if isText(s) {
		s, _ = w.text(sc, s)
		return s
	}
	if depth < maxMessageDepth {
		if m, ok := w.protobuf(s, depth+1); ok {
			return m
		}
	}
	return s
}

// isText reports UTF-8 without the control characters up to U+001B, which is how
// a string is told from a nested message.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] <= 0x1b {
			return false
		}
	}
	return utf8.ValidString(s)
}

func float(b []byte) string {
	if len(b) == 4 {
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 'g', -1, 32)
	}
	return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64)
}
