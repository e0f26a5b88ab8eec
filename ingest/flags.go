package ingest

import "harken/har"

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

// Texts returns the texts of har.Meta for f.
func (f Flags) Texts() []string {
	var out []string
	for i, s := range flagTexts() {
		if f&(1<<i) != 0 {
			out = append(out, s)
		}
	}
	return out
}

// ParseFlags is the reverse of Texts.
func ParseFlags(texts []string) Flags {
	var f Flags
	for i, s := range flagTexts() {
		for _, t := range texts {
			if s == t {
				f |= 1 << i
			}
		}
	}
	return f
}

func flagTexts() [9]string {
	return [...]string{
		har.FlagRequestTruncated, har.FlagResponseTruncated, har.FlagGap, har.FlagOneSided, har.FlagMidstream,
		har.FlagUndecoded, har.FlagAborted, har.FlagPassthrough, har.FlagPending,
	}
}
