//go:build ignore

// Genwords makes words/scowl.txt.gz from SCOWL word lists, one word a line, as
// Debian's packages wamerican-huge and wbritish-huge install them:
//
//	go run genwords.go /usr/share/dict/american-english-huge /usr/share/dict/british-english-huge
//
// It keeps words of three letters and more from the alphabet a to z, in lower
// case. It leaves out possessives, and abbreviations that are written in
// capitals only: those are more often part of a key than of an API's vocabulary.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	words := map[string]struct{}{}
	for _, name := range os.Args[1:] {
		f, err := os.Open(name)
		if err != nil {
			log.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			w := s.Text()
			lower := strings.ToLower(w)
			if len(w) < 3 || strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz") != "" || w == strings.ToUpper(w) {
				continue
			}
			words[lower] = struct{}{}
		}
		f.Close()
	}
	var out bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	for _, w := range slices.Sorted(maps.Keys(words)) {
		zw.Write([]byte(w + "\n"))
	}
	zw.Close()
	if err := os.WriteFile("words/scowl.txt.gz", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
