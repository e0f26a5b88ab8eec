package ingest

// The flags of a record; har.Meta has their texts.
const (
	RequestTruncated Flags = 1 << iota
	ResponseTruncated
	Gap
	OneSided
	Midstream
	Undecoded
	Aborted
	Passthrough
	Pending
)
