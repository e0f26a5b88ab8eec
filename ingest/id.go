package ingest

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// lastTick is the time part of the newest ID. It is the process-wide state that
// RFC 9562, section 6.2 asks for: without it two IDs of one tick would not be in
// order.
var lastTick atomic.Int64

const (
	tickBits = 12 // below the millisecond, in rand_a
	// maxRollback is how far a clock may be set back before order gives way to
	// truth: IDs from an hour ago must not carry tomorrow's date for ever.
	maxRollback = 10 * 1000 << tickBits
)

// NewID returns a UUIDv7 (RFC 9562, section 5.7) for now. The 12 bits of rand_a
// hold the fraction of the millisecond (section 6.2, method 3), so that IDs of
// one process rise strictly, unless the clock is set back by more than 10 s. It
// is safe for concurrent use.
func NewID(now time.Time) ID {
	ms := max(now.UnixMilli(), 0)
	sub := int64(now.Nanosecond()) % int64(time.Millisecond) << tickBits / int64(time.Millisecond)
	tick := ms<<tickBits | sub
	for {
		last := lastTick.Load()
		next := tick
		if next <= last && last-next < maxRollback {
			next = last + 1
		}
		if lastTick.CompareAndSwap(last, next) {
			tick = next
			break
		}
	}
	var id ID
	ms = tick >> tickBits
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i)) //nolint:gosec // the low byte is meant
	}
	id[6] = 0x70 | byte(tick>>8)&0x0f //nolint:gosec // the low bits are meant
	id[7] = byte(tick)                //nolint:gosec // the low byte is meant
	r := rand.Uint64()                //nolint:gosec // an ID is a name, not a secret
	for i := range 8 {
		id[8+i] = byte(r >> (8 * i)) //nolint:gosec // the low byte is meant
	}
	id[8] = 0x80 | id[8]&0x3f
	return id
}

// String returns the ID in the 36-character form of RFC 9562, section 4.
func (id ID) String() string { return string(id.appendHex(make([]byte, 0, 36))) }

// AppendText appends the form of String to b. The error is always nil.
func (id ID) AppendText(b []byte) ([]byte, error) { return id.appendHex(b), nil }

func (id ID) appendHex(b []byte) []byte {
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
	}
	return b
}

// Time returns the time that the ID was made, to the millisecond.
func (id ID) Time() time.Time {
	var ms int64
	for _, c := range id[:6] {
		ms = ms<<8 | int64(c)
	}
	return time.UnixMilli(ms)
}

// IsZero reports whether the ID was never given.
func (id ID) IsZero() bool { return id == ID{} }

var errID = errors.New("an id has 36 characters: hexadecimal digits in groups of 8-4-4-4-12")

// ParseID reads the form of String, in either case. It accepts UUIDs of every
// version: other producers make other ones.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, errID
	}
	var digits [32]byte
	d := append(digits[:0], s[:8]...)
	for _, from := range [...]int{9, 14, 19} {
		d = append(d, s[from:from+4]...)
	}
	d = append(d, s[24:]...)
	if _, err := hex.Decode(id[:], d); err != nil {
		return ID{}, errID
	}
	return id, nil
}
