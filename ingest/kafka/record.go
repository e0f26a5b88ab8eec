package kafka

import (
	"errors"
	"io"

	"github.com/segmentio/kafka-go"

	"harken/ingest"
)

// originOf reads the header harken-origin. One that cannot be read counts as
// absent: the record is then known by its offset.
func originOf(headers []kafka.Header) ingest.Origin {
	for _, h := range headers {
		if h.Key == headerOrigin {
			if o, err := ingest.ParseOrigin(string(h.Value)); err == nil {
				return o
			}
		}
	}
	return ingest.Origin{}
}

// appendBytes adds what is left of r to dst.
func appendBytes(dst []byte, r kafka.Bytes) ([]byte, error) {
	n := r.Len()
	at := len(dst)
	if cap(dst)-at < n {
		grown := make([]byte, at, max(2*cap(dst), at+n))
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:at+n]
	_, err := io.ReadFull(r, dst[at:])
	return dst, err
}

func closeRecord(r *kafka.Record) {
	if r.Key != nil {
		_ = r.Key.Close()
	}
	if r.Value != nil {
		_ = r.Value.Close()
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
