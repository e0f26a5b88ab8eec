package inventory

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"slices"
)

// A Redaction is what of an account is redacted. Two that are equal redact the
// same; the zero Redaction redacts nothing.
type Redaction struct {
	Live        bool   // Settings.RedactPayload
	Types       uint64 // a hash of the definitions of types that are redacted; 0 if none is
	Collections uint64 // a hash of the collections that are redacted; 0 if none is
}

// mixed stands for several hashes.
const mixed = ^uint64(0)

// RedactionOf returns what settings, the definitions of data types and the flags
// of collections redact.
func RedactionOf(s *Settings, types []Definition, collections []int32) Redaction {
	r := Redaction{Live: s.RedactPayload}
	h := fnv.New64a()
	some := false
	for i := range types {
		d := &types[i]
		var doc struct {
			Redacted bool `json:"redacted"`
		}
		if json.Unmarshal(d.Doc, &doc) != nil || !doc.Redacted {
			continue
		}
		some = true
		for _, part := range [][]byte{[]byte(d.Kind), []byte(d.ID), d.Doc} {
			_ = binary.Write(h, binary.LittleEndian, int64(len(part))) // a hash takes everything
			_, _ = h.Write(part)
		}
	}
	if some {
		r.Types = sum(h.Sum64())
	}
	if len(collections) > 0 {
		h.Reset()
		_ = binary.Write(h, binary.LittleEndian, slices.Sorted(slices.Values(collections))) // as above
		r.Collections = sum(h.Sum64())
	}
	return r
}

// sum keeps a hash from having one of the values that mean something else.
func sum(h uint64) uint64 {
	if h == 0 || h == mixed {
		return 1
	}
	return h
}

// With returns what is redacted of two sets of observations together.
func (r Redaction) With(o Redaction) Redaction {
	r.Live = r.Live && o.Live
	if r.Types != o.Types {
		r.Types = mixed
	}
	if r.Collections != o.Collections {
		r.Collections = mixed
	}
	return r
}

// Lacks tells what has to be taken out of observations that were redacted as r,
// now that now holds: what live traffic told, what anything told, and examples of
// dropped records. For collections there is AccountUpdate.Redacted.
func (r Redaction) Lacks(now Redaction) (live, all, examples bool) {
	live = now.Live && !r.Live
	all = now.Types != 0 && now.Types != r.Types
	return live, all, live || all || now.Collections != 0 && now.Collections != r.Collections
}

// Redactable reports whether Settings.RedactPayload is about records of a source:
// live traffic and what sniffers recorded, never uploads of HAR and Burp.
func Redactable(source string) bool { return source != "HAR" && source != "BURP" }
