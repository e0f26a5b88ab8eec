package filter

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Settings are the members of accounts_settings that decide which records are
// learned from, and the traffic rules that stand beside them. The zero value is
// the default.
type Settings struct {
	// FilterHeaderValueMap maps names of headers to values. If there are any, only
	// exchanges are kept of which a request or response header has its value
	// exactly.
	FilterHeaderValueMap map[string]string `json:"filterHeaderValueMap,omitempty"`
	// APICollectionNameMapper gives hosts other names, see Filter.MapHost.
	APICollectionNameMapper map[string]NameMapper `json:"apiCollectionNameMapper,omitempty"`
	// DefaultPayloads maps hosts, in base64, to what responses are dropped.
	DefaultPayloads map[string]Payload `json:"defaultPayloads,omitempty"`
	// AllowRedundantEndpointsList is what is dropped as redundant: extensions of
	// paths ("js", "js.map"), and "CONTENT-TYPE text/html" for pages of that type
	// (types without "html" in them are refused). Nil is the default list of
	// extensions of static files; the empty list drops nothing.
	AllowRedundantEndpointsList []string `json:"allowRedundantEndpointsList"`
	// AllowOptionsAPIs keeps OPTIONS.
	AllowOptionsAPIs bool `json:"allowOptionsAPIs"`

	// AllowHosts and DenyHosts are patterns of hosts ("*.example.com",
	// "localhost:3000"): "*" stands for any run of characters, "?" for one, case
	// does not matter, and a pattern without a port is for every port. What is
	// denied is dropped, and, if there are any, what no pattern allows.
	AllowHosts []string `json:"allowHosts,omitempty"`
	DenyHosts  []string `json:"denyHosts,omitempty"`
	// DenyPathPrefixes are beginnings of paths ("/internal/"), with their "/".
	DenyPathPrefixes []string `json:"denyPathPrefixes,omitempty"`
	// DenyContentTypes are patterns of media types of responses ("image/*").
	DenyContentTypes []string `json:"denyContentTypes,omitempty"`
	// EndpointRateLimit is for a Limiter; Keep does not use it.
	EndpointRateLimit *Rate `json:"endpointRateLimit,omitempty"`
}

// A NameMapper gives exchanges whose request header HeaderName (default "host")
// matches Regex as a whole the host NewName.
type NameMapper struct {
	Regex      string `json:"regex"`
	NewName    string `json:"newName"`
	HeaderName string `json:"headerName,omitempty"`
}

// A Payload is the response that a host gives for everything: Pattern matches it
// as a whole, its line ends removed.
type Payload struct {
	ID                  string `json:"id,omitempty"`
	Pattern             string `json:"pattern"`
	Author              string `json:"author,omitempty"`
	CreatedTs           int32  `json:"createdTs,omitempty"`
	UpdatedTs           int32  `json:"updatedTs,omitempty"`
	ScannedExistingData bool   `json:"scannedExistingData,omitempty"`
}

// The limits of settings.
const (
	// MaxEntries is how many entries a list or map may have.
	MaxEntries = 1000
	// MaxText is the length of a name, value or expression, in bytes.
	MaxText = 2048
	// MaxProgram is how many instructions an expression may compile to.
	MaxProgram = 4000
)

// A SettingsError says which member is wrong, and how.
type SettingsError struct {
	Field  string // as in JSON: "denyHosts[3]", `defaultPayloads["YQ=="].pattern`
	Reason string
}

// Error gives both.
func (e *SettingsError) Error() string { return e.Field + ": " + e.Reason }

type headerRule struct{ name, value string }

type mapper struct {
	header  string
	re      *regexp.Regexp
	newName string
}

type payload struct{ re *regexp.Regexp }

// Compile prepares settings. An entry that is refused is left out, and the error
// (of *SettingsErrors, joined) names it: one bad entry must not turn the others
// off. The Filter is never nil. It does not keep s, and does not see later changes
// of it.
func Compile(s Settings) (*Filter, error) {
	c := compiler{f: &Filter{allowOptions: s.AllowOptionsAPIs}}
	for _, name := range keys(&c, "filterHeaderValueMap", s.FilterHeaderValueMap) {
		c.header(name, s.FilterHeaderValueMap[name])
	}
	for _, name := range keys(&c, "apiCollectionNameMapper", s.APICollectionNameMapper) {
		c.mapper(name, s.APICollectionNameMapper[name])
	}
	for _, host := range keys(&c, "defaultPayloads", s.DefaultPayloads) {
		c.payload(host, s.DefaultPayloads[host].Pattern)
	}
	if s.AllowRedundantEndpointsList != nil {
		c.redundant(s.AllowRedundantEndpointsList)
	}
	c.f.allowHosts = c.patterns("allowHosts", s.AllowHosts, "/@ \t\r\n,")
	c.f.denyHosts = c.patterns("denyHosts", s.DenyHosts, "/@ \t\r\n,")
	c.f.denyTypes = c.patterns("denyContentTypes", s.DenyContentTypes, " \t\r\n,;")
	for i, prefix := range c.entries("denyPathPrefixes", s.DenyPathPrefixes) {
		if !strings.HasPrefix(prefix, "/") || len(prefix) > MaxText {
			c.fail(fmt.Sprintf("denyPathPrefixes[%d]", i), "%.80q, want a path that begins with /", prefix)
			continue
		}
		c.f.denyPaths = append(c.f.denyPaths, prefix)
	}
	if err := s.EndpointRateLimit.check(); err != nil {
		c.errs = append(c.errs, err)
	}
	return c.f, errors.Join(c.errs...)
}

type compiler struct {
	f    *Filter
	errs []error
}

func (c *compiler) fail(field, format string, args ...any) {
	c.errs = append(c.errs, &SettingsError{Field: field, Reason: fmt.Sprintf(format, args...)})
}

// keys gives the keys of a map, sorted: of several entries that fit, the first is
// taken.
func keys[V any](c *compiler, field string, m map[string]V) []string {
	return c.entries(field, slices.Sorted(maps.Keys(m)))
}

func (c *compiler) entries(field string, list []string) []string {
	if len(list) > MaxEntries {
		c.fail(field, "%d entries, want at most %d; the others are not used", len(list), MaxEntries)
		return list[:MaxEntries]
	}
	return list
}

func (c *compiler) header(name, value string) {
	field := fmt.Sprintf("filterHeaderValueMap[%.80q]", name)
	switch {
	case !isToken(name):
		c.fail(field, "is no name of a header")
	case len(value) > MaxText:
		c.fail(field, "%d bytes, want at most %d", len(value), MaxText)
	default:
		c.f.headers = append(c.f.headers, headerRule{strings.ToLower(name), value})
	}
}

func (c *compiler) mapper(key string, m NameMapper) {
	field := fmt.Sprintf("apiCollectionNameMapper[%.80q].", key)
	name := strings.ToLower(cmp.Or(m.HeaderName, "host"))
	if !isToken(name) {
		c.fail(field+"headerName", "%.80q is no name of a header", name)
		return
	}
	if m.NewName == "" || len(m.NewName) > 255 || strings.ContainsAny(m.NewName, " \t\r\n") {
		c.fail(field+"newName", "want 1 to 255 bytes without white space")
		return
	}
	re, err := compileRegexp(m.Regex, true)
	if err != nil {
		c.fail(field+"regex", "%s", err)
		return
	}
	c.f.mappers = append(c.f.mappers, mapper{name, re, m.NewName})
}

func (c *compiler) payload(key, pattern string) {
	field := fmt.Sprintf("defaultPayloads[%.80q]", key)
	host, err := decodeHost(key)
	if err != nil || len(host) == 0 {
		c.fail(field, "the key is no base64 of a host")
		return
	}
	re, err := compileRegexp(pattern, true)
	if err != nil {
		c.fail(field+".pattern", "%s", err)
		return
	}
	if c.f.payloads == nil {
		c.f.payloads = map[string]payload{}
	}
	c.f.payloads[strings.ToLower(string(host))] = payload{re}
}

// decodeHost takes both alphabets, with or without padding.
func decodeHost(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// contentTypeItem begins the items of the redundant list that are no extensions.
const contentTypeItem = "CONTENT-TYPE "

func (c *compiler) redundant(list []string) {
	if len(list) == 0 {
		c.f.keepRedundant = true
		return
	}
	c.f.extensions = map[string]struct{}{}
	for i, item := range c.entries("allowRedundantEndpointsList", list) {
		field := fmt.Sprintf("allowRedundantEndpointsList[%d]", i)
		item = strings.TrimSpace(item)
		if len(item) >= len(contentTypeItem) && strings.EqualFold(item[:len(contentTypeItem)], contentTypeItem) {
			media := strings.ToLower(strings.TrimSpace(item[len(contentTypeItem):]))
			if !strings.Contains(media, "html") || len(media) > 100 {
				c.fail(field, "%.80q, want a type with html in it after CONTENT-TYPE; others are not dropped by this list", item)
				continue
			}
			c.f.pages = append(c.f.pages, media)
			continue
		}
		ext := strings.ToLower(strings.TrimPrefix(item, "."))
		if ext == "" || len(ext) > maxExtension || strings.Count(ext, ".") >= maxDots || strings.ContainsFunc(ext, notExtension) {
			c.fail(field, "%.80q, want an extension such as js or js.map, or CONTENT-TYPE text/html", item)
			continue
		}
		c.f.extensions[ext] = struct{}{}
	}
}

func notExtension(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}

func (c *compiler) patterns(field string, list []string, refused string) []string {
	var out []string
	for i, p := range c.entries(field, list) {
		p = strings.ToLower(strings.TrimSpace(p))
		if p == "" || len(p) > 255 || strings.ContainsAny(p, refused) {
			c.fail(fmt.Sprintf("%s[%d]", field, i), "%.80q is no pattern: want 1 to 255 bytes, none of them in %q", p, refused)
			continue
		}
		out = append(out, p)
		if field != "denyContentTypes" {
			// As the proxy has it: a default port may be left out.
			if name, ok := strings.CutSuffix(p, ":443"); ok {
				out = append(out, name)
			} else if name, ok := strings.CutSuffix(p, ":80"); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// isToken reports whether s is the name of a field (RFC 9110, section 5.1), or
// one of HTTP/2 that begins with ":".
func isToken(s string) bool {
	s = strings.TrimPrefix(s, ":")
	if s == "" || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}

// compileRegexp compiles an expression, for matching as a whole or anywhere. The
// text is parsed alone first, or "a)|(b" would leave the anchors.
func compileRegexp(text string, whole bool) (*regexp.Regexp, error) {
	switch {
	case text == "":
		return nil, errors.New("missing")
	case len(text) > MaxText:
		return nil, fmt.Errorf("%d bytes, want at most %d", len(text), MaxText)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("not an expression of RE2: %w", err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > MaxProgram {
		return nil, fmt.Errorf("too large: %d instructions, want at most %d; repetitions multiply", len(prog.Inst), MaxProgram)
	}
	if whole {
		text = `\A(?:` + text + `)\z`
	}
	return regexp.Compile(text)
}

func (r *Rate) check() error {
	switch {
	case r == nil:
		return nil
	case !(r.PerMinute > 0) || math.IsInf(r.PerMinute, 0):
		return &SettingsError{Field: "endpointRateLimit.perMinute", Reason: fmt.Sprintf("%v, want a number above 0", r.PerMinute)}
	case r.Burst < 0 || r.Burst > 1_000_000:
		return &SettingsError{Field: "endpointRateLimit.burst", Reason: fmt.Sprintf("%d, want 0 to 1000000", r.Burst)}
	}
	return nil
}
