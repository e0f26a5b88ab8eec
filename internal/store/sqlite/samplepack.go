package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// packSamples leaves the samples that are there as they are: new ones take their place.
// It is a step so that programs that cannot read packed ones refuse the file.
func packSamples(context.Context, *sql.Tx) error { return nil }

// The first byte of packed data. It says which dictionary that needs. Data that was
// stored before it was packed is JSON, which begins with a brace and is still read.
const packVersion = 1

// Entries as they mostly are. What was packed with it needs it for ever: a better one
// is another version.
//
//go:embed sampledict1.txt
var entryText []byte

var entryDict = sync.OnceValue(func() *s2.Dict { return s2.MakeDict(entryText, nil) })

var errPacked = errors.New("a packed sample is damaged")

// appendPacked appends the data of a sample, packed. More than half of most of them
// is what all have: twice as many fit into a page, and fewer pages are read, written
// to the log, and copied from there.
func appendPacked(dst, data []byte) []byte {
	n := len(dst) + 1
	dst = append(dst, packVersion)
	if most := s2.MaxEncodedLen(len(data)); cap(dst)-n < most {
		dst = append(make([]byte, 0, 2*n+most), dst...)
	}
	return dst[:n+len(entryDict().Encode(dst[n:cap(dst)], data))]
}

// unpacked returns a copy of stored data as it was.
func unpacked(stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] != packVersion {
		return bytes.Clone(stored), nil
	}
	data, err := entryDict().Decode(nil, stored[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	return data, nil
}
