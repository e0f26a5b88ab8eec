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

// flagTexts is in the order of the bits.
var flagTexts = [...]string{
	har.FlagRequestTruncated,
	har.FlagResponseTruncated,
	har.FlagGap,
	har.FlagOneSided,
	har.FlagMidstream,
	har.FlagUndecoded,
	har.FlagAborted,
	har.FlagPassthrough,
	har.FlagPending,
}

// Texts returns the texts of the flags that are set, in the order of the
// constants; nil if there are none. Bits without a meaning have no text.
func (f Flags) Texts() []string {
	if f == 0 {
		return nil
	}
	texts := make([]string, 0, len(flagTexts))
	for i, t := range flagTexts {
		if f&(1<<i) != 0 {
			texts = append(texts, t)
		}
	}
	return texts
}

// ParseFlags returns the flags that texts name. Unknown texts are passed over:
// a newer producer may know more ways in which a record is not the whole truth.
func ParseFlags(texts []string) Flags {
	var f Flags
	for _, t := range texts {
		f |= parseFlag([]byte(t))
	}
	return f
}

func parseFlag(text []byte) Flags {
	for i, t := range flagTexts {
		if t == string(text) {
			return 1 << i
		}
	}
	return 0
}
