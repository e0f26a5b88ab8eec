package capture

import "sync"

// A Body is a bounded copy of a message body that streams past. Writes never
// fail and never block: what does not fit is counted, not kept. What is kept is
// always the beginning of the body, without holes. It is safe for concurrent
// use; once its exchange is observed or it is discarded, writes change nothing,
// because a transport may still be reading a request body when the response has
// ended.
//
// A Body that a Recorder made draws its memory from the Recorder's queue, so it
// must end in an Exchange that is observed, or be discarded.
type Body struct {
	limit  int64
	memory *memory // nil: only limit bounds it

	mu      sync.Mutex
	buf     *buffer
	size    int64
	expects int64 // what its length was said to be; 0 if nothing was
	starved bool  // the queue had no room; nothing more is kept
	done    bool
}

// NewBody returns a Body that keeps at most limit bytes and draws from no
// Recorder's queue. With limit 0 it only counts.
func NewBody(limit int64) *Body { return &Body{limit: limit} }

// Expect says that the body will be n bytes long, which need not be true: it only
// spares the copying from buffer to larger buffer while the body comes in.
func (b *Body) Expect(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expects = n
}

// Write adds p to the body. It always returns len(p) and nil.
func (b *Body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return len(p), nil
	}
	kept := b.kept()
	whole := int64(len(kept)) == b.size
	b.size += int64(len(p))
	room := min(b.limit-int64(len(kept)), int64(len(p)))
	if room <= 0 || !whole || b.starved {
		return len(p), nil
	}
	if !b.grow(int64(len(kept)) + room) {
		b.starved = true
		return len(p), nil
	}
	b.buf.b = append(b.buf.b, p[:room]...)
	return len(p), nil
}

// grow makes room for n bytes in all. It reports whether the queue had it.
func (b *Body) grow(n int64) bool {
	old := int64(0)
	if b.buf != nil {
		old = int64(cap(b.buf.b))
	}
	if n <= old {
		return true
	}
	want := b.ahead(n)
	if !b.memory.take(want-old, b.memory.bodies()) {
		if want = bufferSize(n); !b.memory.take(want-old, b.memory.bodies()) {
			return false
		}
	}
	next := b.memory.buffer(want)
	if b.buf != nil {
		next.b = append(next.b, b.buf.b...)
		b.memory.free(b.buf)
	}
	b.buf = next
	return true
}

// ahead returns the size of a buffer for n bytes that leaves room for what is
// expected, but takes no more of the queue than a multiple of what has come:
// announcing a megabyte costs a peer nothing.
func (b *Body) ahead(n int64) int64 {
	const factor = 8
	return bufferSize(max(n, min(b.expects, b.limit, factor*n)))
}

// Size returns the bytes that streamed past, kept or not.
func (b *Body) Size() int64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// Bytes returns what was kept. It is valid until the next Write, and until the
// body's exchange is observed or the body discarded.
func (b *Body) Bytes() []byte {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept()
}

// Discard gives the kept bytes back. It is for bodies that no observed exchange
// will own, and may be called more than once.
func (b *Body) Discard() { b.drop() }

// drop discards the body and reports whether any of it was kept until now.
func (b *Body) drop() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	if b.buf == nil {
		return false
	}
	b.memory.give(int64(cap(b.buf.b)))
	b.memory.free(b.buf)
	b.buf = nil
	return true
}

// freeze ends writing and reports whether the queue cut the body.
func (b *Body) freeze() (starved bool) {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	return b.starved
}

func (b *Body) kept() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf.b
}
