package capture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// A ClientHello is what a TLS client says in the clear about whom it wants.
type ClientHello struct {
	ServerName string   // SNI, lower-cased; empty if there was none
	ALPN       []string // protocols in the client's order
}

// maxClientHello bounds the bytes that are gathered for one ClientHello. Real
// ones are below 2 KiB, with post-quantum key shares below 4.
const maxClientHello = 64 << 10

// ErrNotClientHello says that bytes are not the beginning of a TLS connection.
var ErrNotClientHello = errors.New("not a TLS ClientHello")

const (
	recordHandshake   = 22
	handshakeHello    = 1
	maxRecordFragment = 1<<14 + 256 // RFC 5246, section 6.2.3: what some middleboxes let pass
	extServerName     = 0
	extALPN           = 16
)

// ParseClientHello reads the ClientHello at the beginning of b, the bytes that a
// client sent first. It may be split over TLS records (RFC 8446, section 5.1),
// as some clients do to confuse boxes like this one. needMore says that b is the
// beginning of one and more bytes must be read; there is no error then. An error
// means that more bytes will not help: it is ErrNotClientHello for what is not
// TLS at all, or says which field is malformed. It reads at most 64 KiB. Bytes
// after the ClientHello are ignored, and b is not kept.
func ParseClientHello(b []byte) (hello ClientHello, needMore bool, err error) {
	msg, needMore, err := helloMessage(b)
	if needMore || err != nil {
		return ClientHello{}, needMore, err
	}
	hello, err = parseHello(msg)
	return hello, false, err
}

// helloMessage joins the fragments of the first handshake message and returns
// its body.
func helloMessage(b []byte) (msg []byte, needMore bool, err error) {
	want := -1 // length with the message's own head; -1 while unknown
	for at := 0; ; {
		frag, more, err := recordAt(b, at)
		if err != nil {
			return nil, false, err
		}
		if at+5+len(frag) > maxClientHello {
			return nil, false, fmt.Errorf("ClientHello: not complete within %d bytes", maxClientHello)
		}
		if at == 0 {
			msg = slices.Clip(frag) // the usual case: one record, nothing is copied
		} else {
			msg = append(msg, frag...)
		}
		if len(msg) > 0 && msg[0] != handshakeHello {
			return nil, false, fmt.Errorf("%w: handshake message %d", ErrNotClientHello, msg[0])
		}
		if want < 0 && len(msg) >= 4 {
			want = 4 + int(msg[1])<<16 + int(msg[2])<<8 + int(msg[3])
			if want > maxClientHello {
				return nil, false, fmt.Errorf("ClientHello: %d bytes, limit %d", want, maxClientHello)
			}
		}
		if want >= 0 && len(msg) >= want {
			return msg[4:want], false, nil
		}
		if more {
			return nil, true, nil
		}
		at += 5 + len(frag)
	}
}

// recordAt returns what there is of the record at a byte offset; more says that
// the record is not complete.
func recordAt(b []byte, at int) (frag []byte, more bool, err error) {
	rec := b[at:]
	if len(rec) > 0 && rec[0] != recordHandshake {
		return nil, false, fmt.Errorf("%w: record type %d at byte %d", ErrNotClientHello, rec[0], at)
	}
	if len(rec) > 1 && rec[1] != 3 {
		return nil, false, fmt.Errorf("%w: record version %d at byte %d", ErrNotClientHello, rec[1], at+1)
	}
	if len(rec) < 5 {
		return nil, true, nil
	}
	n := int(rec[3])<<8 | int(rec[4])
	if n == 0 || n > maxRecordFragment {
		return nil, false, fmt.Errorf("%w: record of %d bytes at byte %d", ErrNotClientHello, n, at+3)
	}
	return rec[5:min(5+n, len(rec))], len(rec) < 5+n, nil
}

// parseHello reads the body of a ClientHello (RFC 8446, section 4.1.2).
func parseHello(msg []byte) (ClientHello, error) {
	var hello ClientHello
	var session, suites, methods cryptobyte.String
	s := cryptobyte.String(msg)
	switch {
	case !s.Skip(2 + 32):
		return hello, errors.New("ClientHello: random is cut")
	case !s.ReadUint8LengthPrefixed(&session):
		return hello, errors.New("ClientHello: session id is cut")
	case !s.ReadUint16LengthPrefixed(&suites):
		return hello, errors.New("ClientHello: cipher suites are cut")
	case !s.ReadUint8LengthPrefixed(&methods):
		return hello, errors.New("ClientHello: compression methods are cut")
	case s.Empty():
		return hello, nil // a client without extensions, as before TLS 1.0's RFC 3546
	}
	var exts cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&exts) {
		return hello, errors.New("ClientHello: extensions are cut")
	}
	for !exts.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !exts.ReadUint16(&kind) || !exts.ReadUint16LengthPrefixed(&data) {
			return ClientHello{}, errors.New("ClientHello: extension is cut")
		}
		var err error
		switch kind {
		case extServerName:
			hello.ServerName, err = parseServerName(data)
		case extALPN:
			hello.ALPN, err = parseALPN(data)
		}
		if err != nil {
			return ClientHello{}, err
		}
	}
	return hello, nil
}

// parseServerName reads the one host name of RFC 6066, section 3. The name goes
// into rules, URLs and logs, so bytes that no host name has are refused.
func parseServerName(data cryptobyte.String) (string, error) {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) {
		return "", errors.New("ClientHello: server_name is cut")
	}
	for !list.Empty() {
		var kind uint8
		var name cryptobyte.String
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&name) {
			return "", errors.New("ClientHello: server_name is cut")
		}
		if kind != 0 {
			continue
		}
		if len(name) > 255 {
			return "", fmt.Errorf("ClientHello: server_name of %d bytes", len(name))
		}
		for i, c := range name {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`/\@?#[]"<>`, c) >= 0 {
				return "", fmt.Errorf("ClientHello: server_name has byte %#02x at %d", c, i)
			}
		}
		return strings.ToLower(strings.TrimSuffix(string(name), ".")), nil
	}
	return "", nil
}

// parseALPN reads the protocols of RFC 7301, section 3.1.
func parseALPN(data cryptobyte.String) ([]string, error) {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) {
		return nil, errors.New("ClientHello: ALPN is cut")
	}
	var out []string
	for !list.Empty() {
		var proto cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&proto) || proto.Empty() {
			return nil, errors.New("ClientHello: ALPN protocol is cut")
		}
		out = append(out, string(proto))
	}
	return out, nil
}
