package capture

import "sync"

// A Body is a bounded copy of a message body that streams past. Writes never
// fail and never block: what does not fit is counted, not kept. It is safe for
// concurrent use until its exchange is observed.
type Body struct {
	mu    sync.Mutex
	limit int64
	kept  []byte
	size  int64
}

// NewBody returns a Body that keeps at most limit bytes.
func NewBody(limit int64) *Body { return &Body{limit: limit} }

// Write adds p to the body. It always returns len(p) and nil.
func (b *Body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size += int64(len(p))
	if room := b.limit - int64(len(b.kept)); room > 0 {
		b.kept = append(b.kept, p[:min(room, int64(len(p)))]...)
	}
	return len(p), nil
}

// Size returns the bytes that streamed past, kept or not.
func (b *Body) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}
