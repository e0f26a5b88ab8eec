package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"harken/har"
)

const (
	// maxCodings bounds how many encodings of one body are taken off.
	maxCodings = 4
	// countFactor bounds the work that a small body can cause: beyond this many
	// times what may be kept, decoding stops and the length stays unknown.
	countFactor = 8
	// zstdWindow is the largest window that RFC 9659 allows in HTTP.
	zstdWindow = 8 << 20
)

// decoded is a body after its encodings were taken off.
type decoded struct {
	body  []byte // a beginning of the decoded body, or the raw bytes when err is set
	size  int64  // decoded length; -1 if unknown
	short bool   // the input ended early, or there was more than limit
	err   error  // the encodings could not be taken off
}

// A decoder takes off encodings. Its parts are made when first needed and used
// again: a zstd decoder costs more to make than a small body to decode. Outputs
// share its memory and are valid until the next trim, or the next decode of the
// same message.
type decoder struct {
	gz     *gzip.Reader
	fl     io.ReadCloser
	br     *brotli.Reader
	zs     *zstd.Decoder
	src    bytes.Reader
	out    [2][]byte // per message: request, response
	stages [2][]byte // intermediate results of stacked encodings
	waste  []byte    // takes what is only counted
}

// maxRetained is what a decoder keeps of its output buffers between uses.
const maxRetained = 2 << 20

// trim gives back what an unusually large body made d hold. What d decoded must
// not be used any more.
func (d *decoder) trim() {
	for i := range d.out {
		if cap(d.out[i]) > maxRetained {
			d.out[i] = nil
		}
		if cap(d.stages[i]) > maxRetained {
			d.stages[i] = nil
		}
	}
	d.src.Reset(nil)
}

// decode takes off the codings of raw, the last one first (RFC 9110, section
// 8.4). It keeps at most limit bytes of the result. The result may be raw
// itself; which is 0 for a request and 1 for a response, and names the buffer.
func (d *decoder) decode(which int, codings []string, raw []byte, limit int64) decoded {
	if len(codings) > maxCodings {
		return decoded{body: raw, size: -1, err: fmt.Errorf("%d encodings, limit %d", len(codings), maxCodings)}
	}
	in, short := raw, false
	res := decoded{body: raw, size: int64(len(raw))}
	for i, coding := range slices.Backward(codings) {
		buf, keep := &d.stages[i&1], limit*countFactor
		if i == 0 {
			buf, keep = &d.out[which], limit
		}
		res = d.one(*buf, coding, in, keep, limit*countFactor)
		if res.err != nil {
			return decoded{body: raw, size: -1, err: fmt.Errorf("decode %s: %w", coding, res.err)}
		}
		*buf = res.body
		in = res.body
		short = short || res.short
	}
	res.short = short
	if short && len(codings) > 1 {
		res.size = -1
	}
	return res
}

// one takes off one coding.
func (d *decoder) one(buf []byte, coding string, in []byte, keep, count int64) decoded {
	buf = buf[:0]
	switch coding {
	case "gzip", "x-gzip":
		return d.gunzip(buf, in, keep, count)
	case "deflate":
		return d.inflate(buf, in, keep, count)
	case "br":
		d.src.Reset(in)
		if d.br == nil {
			d.br = brotli.NewReader(&d.src)
		} else if err := d.br.Reset(&d.src); err != nil {
			return decoded{err: err}
		}
		return d.read(buf, d.br, keep, count)
	case "zstd":
		return d.unzstd(buf, in, keep, count)
	}
	return decoded{err: errors.New("unknown encoding")}
}

// gunzip reads all members of in. What follows the last one and is no member is
// ignored, as browsers do: some servers pad.
func (d *decoder) gunzip(buf, in []byte, keep, count int64) decoded {
	d.src.Reset(in)
	if d.gz == nil {
		d.gz = new(gzip.Reader)
	}
	res := decoded{body: buf}
	for member := 0; ; member++ {
		rest := in[len(in)-d.src.Len():]
		if member > 0 && !bytes.HasPrefix(rest, []byte("\x1f\x8b")) {
			return res
		}
		err := d.gz.Reset(&d.src)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			res.size, res.short = -1, true
			return res
		default:
			return decoded{err: err}
		}
		d.gz.Multistream(false)
		before := res.size
		res = d.read(res.body, d.gz, keep, count-before)
		if res.err != nil || res.size < 0 {
			return res
		}
		res.size += before
		res.short = res.size > int64(len(res.body))
	}
}

// inflate reads what is called deflate and is zlib (RFC 1950) by the standard,
// or raw deflate (RFC 1951) by a good part of the servers.
func (d *decoder) inflate(buf, in []byte, keep, count int64) decoded {
	if len(in) >= 2 && in[0]&0x0f == 8 && (int(in[0])<<8|int(in[1]))%31 == 0 && in[1]&0x20 == 0 {
		if res := d.rawInflate(buf, in[2:], keep, count); res.err == nil {
			return res
		}
	}
	return d.rawInflate(buf, in, keep, count)
}

func (d *decoder) rawInflate(buf, in []byte, keep, count int64) decoded {
	d.src.Reset(in)
	if d.fl == nil {
		d.fl = flate.NewReader(&d.src)
	} else if r, ok := d.fl.(flate.Resetter); ok {
		if err := r.Reset(&d.src, nil); err != nil {
			return decoded{err: err}
		}
	}
	return d.read(buf, d.fl, keep, count)
}

func (d *decoder) unzstd(buf, in []byte, keep, count int64) decoded {
	d.src.Reset(in)
	var err error
	if d.zs == nil {
		// With concurrency 1 the decoder starts no goroutine, so the garbage
		// collector may take it.
		d.zs, err = zstd.NewReader(&d.src,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	} else {
		err = d.zs.Reset(&d.src)
	}
	if err != nil {
		return decoded{err: err}
	}
	return d.read(buf, d.zs, keep, count)
}

// read appends to buf until it holds keep bytes, then counts on until r ended or
// count bytes were seen. An input that ends early is not an error: what came out
// of it is the beginning of the body.
func (d *decoder) read(buf []byte, r io.Reader, keep, count int64) decoded {
	start := len(buf)
	var seen int64
	for {
		p := d.waste
		if int64(len(buf)) < keep {
			buf = room(buf, keep)
			p = buf[len(buf):min(int64(cap(buf)), keep)]
		} else if p == nil {
			d.waste = make([]byte, 32<<10)
			p = d.waste
		}
		n, err := r.Read(p)
		if int64(len(buf)) < keep {
			buf = buf[:len(buf)+n]
		}
		seen += int64(n)
		switch {
		case err == nil && seen > count:
			return decoded{body: buf, size: -1, short: true}
		case err == nil:
		case errors.Is(err, io.EOF):
			return decoded{body: buf, size: seen, short: seen > int64(len(buf)-start)}
		case errors.Is(err, io.ErrUnexpectedEOF):
			return decoded{body: buf, size: -1, short: true}
		default:
			return decoded{err: err}
		}
	}
}

// room returns buf with room for more, doubling up to keep.
func room(buf []byte, keep int64) []byte {
	if len(buf) < cap(buf) {
		return buf
	}
	grown := make([]byte, len(buf), max(4<<10, min(2*int64(cap(buf)), keep)))
	copy(grown, buf)
	return grown
}

// codings returns the Content-Encodings of a message in the order in which they
// were applied, appended to dst.
func codings(dst []string, header []har.Header) []string {
	for i := range header {
		if !strings.EqualFold(header[i].Name, "content-encoding") {
			continue
		}
		for c := range strings.SplitSeq(header[i].Value, ",") {
			c = strings.ToLower(strings.TrimSpace(c))
			if c != "" && c != "identity" {
				dst = append(dst, c)
			}
		}
	}
	return dst
}
