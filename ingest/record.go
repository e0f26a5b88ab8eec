package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"harken/har"
)

// What may come on the topic and is not a record.
var (
	// ErrProbe is returned for the probe that agents write onto the data topic to
	// test their connection. It is to be passed over without a word.
	ErrProbe = errors.New("connection probe, not a record")
	// ErrControl is what a ControlError is.
	ErrControl = errors.New("control message, not a record")
)

// A ControlError is returned for a message that configures the consumer: it names
// the collections of a mirrored network and may add to the private addresses.
type ControlError struct {
	GroupName string
	VxlanID   int32
	VPCCIDR   []string
	Account   string
}

func (e *ControlError) Error() string {
	return fmt.Sprintf("control message for vxlan %d, not a record", e.VxlanID)
}

// Is reports whether target is ErrControl.
func (e *ControlError) Is(target error) bool { return target == ErrControl }

// String returns "har" or "akto", as in the flag -record-format and the Kafka
// header harken-format.
func (f Form) String() string {
	if f == FormAkto {
		return "akto"
	}
	return "har"
}

// NewRecord makes a Record of e, encoding it once. Members of e.Harken become the
// record's header; an entry without an id gets one of now, and one without
// e.Harken gets it. For the same without allocation, reuse a Record and SetEntry.
func NewRecord(e *har.Entry, now time.Time) *Record {
	r := new(Record)
	r.SetEntry(e, now)
	return r
}

// SetEntry makes r the record of e as NewRecord does, reusing r.Data. The Origin
// is cleared.
func (r *Record) SetEntry(e *har.Entry, now time.Time) {
	if e.Harken == nil {
		e.Harken = &har.Meta{}
	}
	m := e.Harken
	id, err := ParseID(m.ID)
	if err != nil {
		id = NewID(now)
		m.ID = id.String()
	}
	r.ID, r.Origin, r.Form = id, Origin{}, FormHAR
	r.Account, r.Collection, r.Source, r.Direction = m.Account, m.Collection, m.Source, m.Direction
	r.Host = keepText(r.Host, appendHost(nil, "", []byte(e.Request.URL)))
	r.Time = e.Started
	if r.Time.IsZero() {
		r.Time = now
	}
	r.Flags = ParseFlags(m.Flags)
	r.Data = har.AppendEntry(r.Data[:0], e)
}

// Entry decodes the record's entry.
func (r *Record) Entry() (*har.Entry, error) {
	e := new(har.Entry)
	if err := r.DecodeEntry(e); err != nil {
		return nil, err
	}
	return e, nil
}

// DecodeEntry decodes the record's entry from either form into e, which it
// overwrites.
func (r *Record) DecodeEntry(e *har.Entry) error { return r.DecodeEntryBy(new(har.Decoder), e) }

// DecodeEntryBy is DecodeEntry in the memory of a Decoder: what e holds is valid
// only until that is used again.
func (r *Record) DecodeEntryBy(d *har.Decoder, e *har.Entry) error {
	if r.Form == FormAkto {
		return decodeAkto(r, e)
	}
	if err := d.Decode(r.Data, e); err != nil {
		return err
	}
	if e.Started.IsZero() {
		e.Started = r.Time
	}
	return nil
}

// ParseRecord reads a record in either wire form; see Record.Parse.
func ParseRecord(data []byte) (*Record, error) {
	r := new(Record)
	if err := r.Parse(data); err != nil {
		return nil, err
	}
	return r, nil
}

// Parse makes r the record that data holds, a HAR entry if its member "request" is
// an object, else Akto's flat form. It checks all of data's syntax and what
// readers of that form refuse, but decodes the header only. r.Data is data itself, or
// of a HAR entry in several lines a copy in one, as files and downloads need it;
// Origin is cleared; a record without a time gets the present one, and one
// without an id a new one. It returns ErrProbe, a *ControlError, or an error that
// names the field that is wrong. A reused Record does not allocate for texts that
// stay the same.
func (r *Record) Parse(data []byte) error {
	var m message
	if err := m.scan(data); err != nil {
		return err
	}
	if m.f[fieldProbe] != nil {
		return ErrProbe
	}
	r.Origin, r.Flags, r.Collection, r.Data = Origin{}, 0, 0, data
	r.ID, r.Time = ID{}, time.Time{}
	var err error
	switch req := m.f[fieldRequest]; {
	case len(req) > 0 && req[0] == '{':
		r.Form, r.Data = FormHAR, oneLine(data)
		err = r.parseHAR(&m)
	case m.f[fieldGroupName] != nil && m.f[fieldVxlanID] != nil && m.f[fieldPath] == nil:
		return m.control()
	default:
		r.Form = FormAkto
		err = r.parseAkto(&m)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	if r.Time.IsZero() {
		r.Time = now.UTC()
	}
	if r.ID.IsZero() {
		r.ID = NewID(now)
	}
	return nil
}

// A message holds the raw values of the members of a record that matter.
type message struct {
	f [numFields][]byte
}

func (m *message) scan(data []byte) error {
	s := jsonScanner{b: data}
	return s.document(func(name []byte) error {
		id, known := fieldIDs[string(name)]
		raw, err := s.skip()
		if err == nil && known {
			m.f[id] = raw
		}
		return err
	})
}

// text returns the value of a member that must be a string; null and absent are
// nil.
func (m *message) text(id field) ([]byte, error) {
	raw := m.f[id]
	if len(raw) == 0 || raw[0] == 'n' {
		return nil, nil
	}
	if raw[0] != '"' {
		return nil, fmt.Errorf("%s: not a string", fieldNames[id])
	}
	s := jsonScanner{b: raw}
	return s.text()
}

// number returns the value of a member that is an integer or a string that is
// one. given is false if it is absent or null, ok if it is no integer.
func (m *message) number(id field) (n int64, given, ok bool) {
	raw := m.f[id]
	if len(raw) == 0 || raw[0] == 'n' {
		return 0, false, false
	}
	s := jsonScanner{b: raw}
	n, ok, err := s.integer()
	return n, true, ok && err == nil
}

func (m *message) control() error {
	e := &ControlError{}
	name, err := m.text(fieldGroupName)
	if err != nil {
		return err
	}
	vxlan, _, ok := m.number(fieldVxlanID)
	if !ok {
		return errors.New("vxlanId: not a number")
	}
	e.GroupName, e.VxlanID = string(name), clampInt32(vxlan)
	if raw := m.f[fieldAccountID]; len(raw) > 0 && raw[0] != 'n' {
		e.Account = strings.Trim(string(raw), `"`)
	}
	if raw := m.f[fieldVPCCIDR]; len(raw) > 0 && raw[0] == '[' {
		s := jsonScanner{b: raw}
		err := s.array(func() error {
			if s.kind() != '"' {
				return errors.New("vpc_cidr: not a list of strings")
			}
			t, err := s.text()
			e.VPCCIDR = append(e.VPCCIDR, string(t))
			return err
		})
		if err != nil {
			return err
		}
	}
	return e
}

// clampInt32 gives 0 for numbers that are no collection, as the reference does.
func clampInt32(n int64) int32 {
	if n < 0 || n > math.MaxInt32 {
		return 0
	}
	return int32(n)
}

// errEnough ends a walk over an object whose syntax was checked before: bodies are
// not walked over twice.
var errEnough = errors.New("found")

func (r *Record) parseHAR(m *message) error {
	if err := r.parseHARRequest(m.f[fieldRequest]); err != nil {
		return err
	}
	raw := m.f[fieldResponse]
	if len(raw) == 0 || raw[0] != '{' {
		return errors.New("response: missing or not an object")
	}
	status := false
	s := jsonScanner{b: raw}
	err := s.object(func(name []byte) error {
		v, err := s.skip()
		if string(name) == "status" && len(v) > 0 {
			if _, numErr := strconv.ParseFloat(string(v), 64); numErr == nil {
				status = true
				return errEnough
			}
		}
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if !status {
		return errors.New("response.status: missing or not a number")
	}
	started, err := m.text(fieldStarted)
	if err != nil {
		return err
	}
	if started != nil {
		if r.Time, err = time.Parse(time.RFC3339Nano, string(started)); err != nil {
			return fmt.Errorf("startedDateTime: %.40q is not an RFC 3339 time", started)
		}
		r.Time = r.Time.UTC()
	}
	return r.parseMeta(m.f[fieldHarken])
}

func (r *Record) parseHARRequest(raw []byte) error {
	s := jsonScanner{b: raw}
	var method, url []byte
	err := s.object(func(name []byte) (err error) {
		switch {
		case string(name) == "method" && s.kind() == '"':
			method, err = s.text()
		case string(name) == "url" && s.kind() == '"':
			url, err = s.text()
		default:
			_, err = s.skip()
		}
		if err == nil && len(method) > 0 && len(url) > 0 {
			return errEnough
		}
		return err
	})
	switch {
	case err != nil && !errors.Is(err, errEnough):
		return err
	case len(method) == 0:
		return errors.New("request.method: missing, empty or not a string")
	case len(url) == 0:
		return errors.New("request.url: missing, empty or not a string")
	}
	var buf [256]byte
	r.Host = keepText(r.Host, appendHost(buf[:0], "", url))
	return nil
}

// parseMeta reads the member _harken, which entries of other tools do not have.
func (r *Record) parseMeta(raw []byte) error {
	var id, account, source, direction []byte
	if len(raw) > 0 && raw[0] == '{' {
		s := jsonScanner{b: raw}
		err := s.object(func(name []byte) error {
			var to *[]byte
			switch string(name) {
			case "id":
				to = &id
			case "account":
				to = &account
			case "source":
				to = &source
			case "direction":
				to = &direction
			case "collection":
				n, _, err := s.integer()
				r.Collection = clampInt32(n)
				return err
			case "flags":
				return r.parseFlags(&s)
			}
			if to != nil && s.kind() != '"' {
				return fmt.Errorf("_harken.%s: not a string", name)
			}
			if to == nil {
				_, err := s.skip()
				return err
			}
			var err error
			*to, err = s.text()
			return err
		})
		if err != nil {
			return err
		}
	}
	r.ID, _ = ParseID(string(id))
	return r.setHeader(account, source, direction)
}

func (r *Record) parseFlags(s *jsonScanner) error {
	if s.kind() != '[' {
		return errors.New("_harken.flags: not a list")
	}
	return s.array(func() error {
		if s.kind() != '"' {
			return errors.New("_harken.flags: not a list of strings")
		}
		t, err := s.text()
		r.Flags |= parseFlag(t)
		return err
	})
}

// setHeader checks and sets what both forms have.
func (r *Record) setHeader(account, source, dir []byte) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	r.Account = keepText(r.Account, account)
	name := sourceName(source)
	if name == "" {
		return fmt.Errorf("source: %.20q is unknown", source)
	}
	r.Source, r.Direction = name, direction(dir)
	return nil
}

func checkAccount[T string | []byte](account T) error {
	for i := range len(account) {
		if c := account[i]; c < '0' || c > '9' {
			return fmt.Errorf("account: %.20q is not a number", account)
		}
	}
	if len(account) > 19 {
		return fmt.Errorf("account: %.20q is too long", account)
	}
	return nil
}

// direction reads a direction. Anything but 2 is inbound, as in the reference.
func direction[T string | []byte](text T) string {
	if string(text) == "2" {
		return "2"
	}
	return "1"
}

// sourceName returns the source that text names: OTHER if there is none, "" if it
// is unknown.
func sourceName[T string | []byte](text T) string {
	switch string(text) {
	case "MIRRORING", "WEBSOCKET_TRAFFIC":
		return "MIRRORING"
	case "PCAP":
		return "PCAP"
	case "HAR":
		return "HAR"
	case "POSTMAN":
		return "POSTMAN"
	case "OPEN_API":
		return "OPEN_API"
	case "BURP":
		return "BURP"
	case "IMPERVA":
		return "IMPERVA"
	case "SDK":
		return "SDK"
	case "", "OTHER", "WIZ":
		return "OTHER"
	}
	return ""
}

// keepText returns old if b is the same, so that reading many records of one host
// allocates once.
func keepText(old string, b []byte) string {
	if old == string(b) {
		return old
	}
	return string(b)
}

// appendHost appends the key of a record: the authority of url, or host if url is
// not absolute, lower-cased and without the scheme's default port.
func appendHost(dst []byte, host string, url []byte) []byte {
	scheme, authority, _, absolute := splitURL(url)
	if !absolute {
		authority = []byte(host)
	}
	start := len(dst)
	for _, c := range authority {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	switch {
	case bytes.EqualFold(scheme, []byte("http")):
		dst = dst[:start+len(bytes.TrimSuffix(dst[start:], []byte(":80")))]
	case bytes.EqualFold(scheme, []byte("https")):
		dst = dst[:start+len(bytes.TrimSuffix(dst[start:], []byte(":443")))]
	}
	return dst
}

// splitURL splits an absolute URL into scheme, authority without user, and the
// rest. A URL in origin form is all rest. net/url refuses much of what is on the
// wire, and a record must show it.
func splitURL[T string | []byte](url T) (scheme, authority, rest T, absolute bool) {
	i := 0
	for ; ; i++ {
		if len(url)-i < len("://") || url[i] == '/' || url[i] == '?' || url[i] == '#' {
			return scheme, authority, url, false
		}
		if string(url[i:i+3]) == "://" {
			break
		}
	}
	if i == 0 {
		return scheme, authority, url, false
	}
	scheme, authority = url[:i], url[i+3:]
	for j := range len(authority) {
		if c := authority[j]; c == '/' || c == '?' || c == '#' {
			authority, rest = authority[:j], authority[j:]
			break
		}
	}
	for j := len(authority) - 1; j >= 0; j-- {
		if authority[j] == '@' {
			authority = authority[j+1:]
			break
		}
	}
	return scheme, authority, rest, true
}
