package capture

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// A memory is what bodies and waiting exchanges may hold together, and the
// buffers that go round between bodies. A nil memory has no end and no buffers.
type memory struct {
	limit int64
	used  atomic.Int64
	pools [13]sync.Pool // of *buffer, by class
}

// bodies returns the part that bodies may fill. The rest is for the heads of
// exchanges, so that a flood of large bodies costs bodies and not exchanges.
func (m *memory) bodies() int64 {
	if m == nil {
		return 0
	}
	return m.limit / 4 * 3
}

// take takes n bytes unless more than limit would be in use.
func (m *memory) take(n, limit int64) bool {
	if m == nil {
		return true
	}
	for {
		used := m.used.Load()
		if used+n > limit {
			return false
		}
		if m.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

func (m *memory) give(n int64) {
	if m != nil {
		m.used.Add(-n)
	}
}

// The sizes of buffers are the powers of two from minBuffer, pooled up to
// maxBuffer: most bodies of an API are below 2 KiB, and a Body that holds 1 KiB
// must not hold 1 MiB.
const (
	minBuffer = 1 << 10
	maxBuffer = 1 << 22
)

type buffer struct{ b []byte }

// bufferSize returns the capacity of a buffer for n bytes.
func bufferSize(n int64) int64 {
	if n <= minBuffer {
		return minBuffer
	}
	return 1 << bits.Len64(uint64(n-1))
}

// buffer returns an empty buffer of size bytes, a result of bufferSize.
func (m *memory) buffer(size int64) *buffer {
	if m != nil && size <= maxBuffer {
		if b, ok := m.pools[class(size)].Get().(*buffer); ok {
			return b
		}
	}
	return &buffer{b: make([]byte, 0, size)}
}

// free makes b ready to be used by another Body.
func (m *memory) free(b *buffer) {
	size := int64(cap(b.b))
	if m == nil || size > maxBuffer {
		return
	}
	b.b = b.b[:0]
	m.pools[class(size)].Put(b)
}

// class returns the index of the pool for buffers of size bytes.
func class(size int64) int {
	return bits.TrailingZeros64(uint64(size)) - bits.TrailingZeros64(minBuffer) //nolint:gosec // size is positive
}
