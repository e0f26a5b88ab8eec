package har_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"harken/har"
)

func TestReaderMembersInAnyOrder(t *testing.T) {
	doc := "\xef\xbb\xbf" + ` { "x":{"log":[]}, "log" : {"pages":[{"a":"]}"}],"entries" : [ {"comment":"1"} , {"comment":"2"}],
		"comment":"c","creator":{"version":2,"name":"n"},"version":"1.2"} , "y":null} `
	rd := har.NewReader(strings.NewReader(doc))
	var e har.Entry
	for _, want := range []string{"1", "2"} {
		if err := rd.Read(&e); err != nil || e.Comment != want {
			t.Errorf("Read = %v, %v, want %s", e.Comment, err, want)
		}
	}
	for range 2 {
		if err := rd.Read(&e); !errors.Is(err, io.EOF) {
			t.Errorf("Read at the end = %v", err)
		}
	}
	if got, want := rd.Log(), (har.Log{Version: "1.2", Creator: "n", CreatorVersion: "2", Comment: "c"}); got != want {
		t.Errorf("Log() = %+v, want %+v", got, want)
	}
}

func TestReaderContinues(t *testing.T) {
	doc := `{"log":{"entries":[{"comment":"` + strings.Repeat("x", 300) + `"},{"comment" "b"},3,{"comment":"\"]}"}]}}`
	rd := har.NewReader(iotest.HalfReader(strings.NewReader(doc)))
	rd.MaxEntry = 200
	var got []string
	for {
		var e har.Entry
		err := rd.Read(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, e.Comment)
		}
	}
	want := []string{
		"entry 1: larger than 200 bytes",
		"entry 2: want ':', found a string at byte 345",
		"entry 3: want an object, found a number at byte 350",
		`"]}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReaderRefuses(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		_, err := har.NewReader(strings.NewReader(doc)).Next()
		if err == nil || err.Error() != want {
			t.Errorf("Next(%q) = %v, want %s", doc, err, want)
		}
		if _, ok := errors.AsType[*har.DocumentError](err); !ok {
			t.Errorf("Next(%q) is a %T", doc, err)
		}
	}
	f("", "not a HAR document: the document ends where an object was expected at byte 0")
	f(" x", "not a HAR document: want an object, found 'x' at byte 1")
	f("not json", "not a HAR document: want an object, found 'n' at byte 0")
	f("null", "not a HAR document: want an object, found null at byte 0")
	f("\xff\xfe{\x00", "not a HAR document: it is UTF-16, and JSON is UTF-8 at byte 0")
	f("\x1f\x8b\x08", "not a HAR document: it is compressed with gzip at byte 0")
	f(`{"log":null}`, "not a HAR document: want an object as log, found null at byte 7")
	f(`{"log":{"entries":{}}}`, "not a HAR document: want an array as log.entries, found an object at byte 18")
	f(`{"log":{}}`, "not a HAR document: it has no member log.entries at byte 10")
	f(`{"log":{"version":`, "not a HAR document: the document ends where a value was expected at byte 18")
	f(`{"log":{"version":"1`, "not a HAR document: the document ends inside a value at byte 20")
	f(`{"log":{"entries":[{"a":1`, "entry 1: the document ends inside a value at byte 25")
	f(`{"log":{"entries":[,]}}`, "entry 1: want a value, found ',' at byte 19")
	f(`{"log":{"entries":[]}} x`, "there is data behind the document at byte 23")
	f(`{"log":{"entries":[]},}`, "want a member name, found '}' at byte 22")
}

func TestReaderPassesErrorsOn(t *testing.T) {
	gone := errors.New("gone")
	rd := har.NewReader(io.MultiReader(strings.NewReader(`{"log":{"entries":[{}`), iotest.ErrReader(gone)))
	if _, err := rd.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := rd.Next(); !errors.Is(err, gone) {
			t.Errorf("Next = %v, want %v", err, gone)
		}
	}
}

// endless is a document of n entries that is never held whole.
type endless struct {
	rest  []byte
	entry []byte
	n     int
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.n == 0 {
			return 0, io.EOF
		}
		e.n--
		e.rest = e.entry
		if e.n == 0 {
			e.rest = append(bytes.TrimSuffix(bytes.Clone(e.entry), []byte(",")), "]}}"...)
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestReaderMemoryIsConstant(t *testing.T) {
	entry := append(har.AppendEntry(nil, full()), ',')
	src := &endless{rest: []byte(`{"log":{"entries":[`), entry: entry, n: 50000}
	rd := har.NewReader(src)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for ; ; n++ {
		if _, err := rd.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; n != 50000 || got > 1<<20 {
		t.Errorf("%d entries of %d bytes allocated %d bytes in all", n, len(entry), got)
	}
}
