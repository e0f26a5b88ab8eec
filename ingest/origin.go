package ingest

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxLogID is the longest log id that an Origin may have, in bytes. It leaves
// room for a Kafka topic and partition, which stand in for the log of records
// that came without an origin.
const MaxLogID = 270

// String returns the form that travels beside the bytes, "<log>/<sequence>", and
// "" for the zero Origin.
func (o Origin) String() string {
	if o.IsZero() {
		return ""
	}
	return o.Log + "/" + strconv.FormatInt(o.Seq, 10)
}

// AppendText appends the form of String to b. The error is always nil.
func (o Origin) AppendText(b []byte) ([]byte, error) {
	if o.IsZero() {
		return b, nil
	}
	b = append(b, o.Log...)
	b = append(b, '/')
	return strconv.AppendInt(b, o.Seq, 10), nil
}

// IsZero reports whether no log has numbered the record yet.
func (o Origin) IsZero() bool { return o == Origin{} }

// ParseOrigin reads the form of String. A log id has 1 to MaxLogID ASCII
// letters, digits and ._:-, and a sequence number is a positive decimal without
// sign or leading zero. The text comes from the network, and log ids become keys
// of the store, hence the limits.
func ParseOrigin(s string) (Origin, error) {
	log, seq, ok := strings.Cut(s, "/")
	if !ok {
		return Origin{}, fmt.Errorf("origin %.40q: want <log>/<sequence>", s)
	}
	if !validLogID(log) {
		return Origin{}, fmt.Errorf("origin %.40q: a log id has 1 to %d letters, digits and ._:-", s, MaxLogID)
	}
	n, err := strconv.ParseInt(seq, 10, 64)
	if err != nil || n < 1 || seq[0] < '1' || seq[0] > '9' {
		return Origin{}, fmt.Errorf("origin %.40q: the sequence is not a positive number", s)
	}
	return Origin{Log: log, Seq: n}, nil
}

func validLogID(s string) bool {
	if s == "" || len(s) > MaxLogID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._:-", rune(c)) {
			return false
		}
	}
	return true
}
