package inventory

import "context"

// A StoredFile is a document as it was uploaded.
type StoredFile struct {
	ID         string // 24 hexadecimal digits, chosen by the store
	Type       string // FileHAR
	Uploaded   int64  // Unix seconds
	Collection int32
	Data       []byte // gzip
}

// FileHAR is the Type of an uploaded HAR.
const FileHAR = "HAR"

// Bounds of the files of one account: the oldest go when there are more, and those
// that are too old.
const (
	MaxFileBytes = 64 << 20 // of all, compressed
	FileDays     = 30
)

// A FileStore keeps files. They go with their collection, and with its samples when
// these are dropped.
type FileStore interface {
	// PutFile stores f under a new id, which it returns, and removes what is beyond
	// the bounds at the time of f. One beyond MaxFileBytes is fault.TooLarge.
	PutFile(ctx context.Context, f StoredFile) (id string, err error)
	// Files returns all without Data, newest first.
	Files(ctx context.Context) ([]StoredFile, error)
	// File returns one; fault.NotFound if there is none.
	File(ctx context.Context, id string) (StoredFile, error)
}
