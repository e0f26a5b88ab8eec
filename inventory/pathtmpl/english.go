package pathtmpl

import (
	"bytes"
	"compress/gzip"
	_ "embed" // The word lists.
	"io"
	"sync"
)

// scowl is made by genwords.go; words/LICENSE.scowl is its license.
//
//go:embed words/scowl.txt.gz
var scowl []byte

// apiWords are words that people put into paths and that dictionaries lack, and
// the common words of one and two letters. What is more often part of a key
// than a word (api, id, sku, config, graphql, en) is left out on purpose:
// notEnglish.
//
//go:embed words/api.txt
var apiWords []byte

// notEnglish are words of the lists that stay out of the vocabulary.
var notEnglish = map[string]bool{"api": true, "id": true, "sku": true, "config": true, "graphql": true, "en": true}

// vocabulary is loaded when the first path is looked at, not at start-up: the
// same binary may only be recording.
var vocabulary = sync.OnceValue(loadVocabulary)

// maxWord is longer than any word of the lists.
const maxWord = 48

// slotCount is the size of the table, a power of two; a little more than half
// of it is used.
const slotCount = 1 << 19

// A wordSet is an exact set of lower-case words: their text as one block, one
// word a line, and an open-addressing table of offsets into it. A map of
// strings would need four times the memory and as many pointers for the
// garbage collector.
type wordSet struct {
	text []byte
	// slots hold the offset of a word in text in the low 24 bits, plus one, and
	// 8 bits of its hash above them; 0 is free.
	slots []uint32
}

func loadVocabulary() *wordSet {
	zr, err := gzip.NewReader(bytes.NewReader(scowl))
	if err != nil {
		panic("pathtmpl: word list: " + err.Error())
	}
	// The trailer of a gzip member has its size.
	n := scowl[len(scowl)-4:]
	size := int(n[0]) | int(n[1])<<8 | int(n[2])<<16
	text := make([]byte, size+len(apiWords))
	if _, err := io.ReadFull(zr, text[:size]); err != nil {
		panic("pathtmpl: word list: " + err.Error())
	}
	copy(text[size:], apiWords)

	w := &wordSet{text: text, slots: make([]uint32, slotCount)}
	start, h := 0, uint64(hashSeed)
	for i, c := range text {
		if c != '\n' {
			h = hashByte(h, c)
			continue
		}
		if i > start && !notEnglish[string(text[start:i])] {
			w.add(start, i, hashEnd(h))
		}
		start, h = i+1, hashSeed
	}
	return w
}

const hashSeed = 0xcbf29ce484222325

// hashByte is one step of FNV-1a.
func hashByte(h uint64, c byte) uint64 { return (h ^ uint64(c)) * 0x100000001b3 }

// hashEnd mixes the high bits, which FNV leaves poor, into all.
func hashEnd(h uint64) uint64 { return (h ^ h>>32) * 0x9e3779b97f4a7c15 }

func (w *wordSet) add(start, end int, h uint64) {
	mark := uint32(h>>56) << 24
	for i := h >> 20 & (slotCount - 1); ; i = (i + 1) & (slotCount - 1) {
		s := w.slots[i]
		if s == 0 {
			w.slots[i] = mark | uint32(start+1) //nolint:gosec // the text is shorter than 1<<24
			return
		}
		if s&0xff000000 == mark && bytes.HasPrefix(w.text[s&0xffffff-1:], w.text[start:end+1]) {
			return
		}
	}
}

// has reports whether word, in any case, is in the set.
func (w *wordSet) has(word string) bool {
	if len(word) == 0 || len(word) > maxWord {
		return false
	}
	h := uint64(hashSeed)
	for i := range len(word) {
		c := word[i] | 0x20
		if c < 'a' || c > 'z' {
			return false
		}
		h = hashByte(h, c)
	}
	h = hashEnd(h)
	mark := uint32(h>>56) << 24
	for i := h >> 20 & (slotCount - 1); ; i = (i + 1) & (slotCount - 1) {
		s := w.slots[i]
		if s == 0 {
			return false
		}
		if s&0xff000000 == mark && w.equal(s&0xffffff-1, word) {
			return true
		}
	}
}

// equal reports whether the word at offset off is word, which has letters only.
func (w *wordSet) equal(off uint32, word string) bool {
	text := w.text[off:]
	if len(text) <= len(word) || text[len(word)] != '\n' {
		return false
	}
	for i := range len(word) {
		if text[i] != word[i]|0x20 {
			return false
		}
	}
	return true
}

// English reports whether a path segment is made of English words: the segment
// is in the word list; or all its pieces between "-", "_" and "." are; or all
// of those are when they are split further where the case or the class of
// characters changes (getUser, HTMLPage). Case does not count. Anything with a
// digit is not English. It does not allocate.
func English(segment string) bool {
	if len(segment) > 256 {
		return false
	}
	w := vocabulary()
	pieces := 0
	for start, i := 0, 0; i <= len(segment); i++ {
		if i < len(segment) && segment[i] != '-' && segment[i] != '_' && segment[i] != '.' {
			continue
		}
		if piece := segment[start:i]; piece != "" {
			pieces++
			if !w.has(piece) && !w.hasCamel(piece) {
				return false
			}
		}
		start = i + 1
	}
	return pieces > 0
}

// hasCamel reports whether all the parts of a word in camel case are in the set.
// Of a run of capitals before a small letter the last belongs to what follows.
func (w *wordSet) hasCamel(s string) bool {
	start := 0
	for i := 1; i < len(s); i++ {
		switch {
		case isUpper(s[i]) && isLower(s[i-1]):
		case isLower(s[i]) && i-1 > start && isUpper(s[i-1]):
			if !w.has(s[start : i-1]) {
				return false
			}
			start = i - 1
			continue
		default:
			continue
		}
		if !w.has(s[start:i]) {
			return false
		}
		start = i
	}
	return start > 0 && w.has(s[start:])
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
