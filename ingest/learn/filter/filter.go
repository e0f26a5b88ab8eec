// Package filter decides which records the inventory learns from: by rules that
// hold for everyone, by the settings of an account, and by filters that users
// write in YAML. It keeps no records, and does not count what it drops.
package filter

import (
	"net/http"
	"strings"

	"harken/har"
	"harken/internal/glob"
)

// The names of the rules that drop a record, for metrics. They are stable.
const (
	HeaderAllow         = "header_allow_list"     // no header has a value of filterHeaderValueMap
	Host                = "host"                  // the host is denied, or not among those that are allowed
	PathPrefix          = "path_prefix"           // the path begins with a denied prefix
	ResponseContentType = "response_content_type" // the content type of the response is denied
	DefaultPayload      = "default_payload"       // the response is one that its host gives for everything
	Status              = "status"                // neither 200 to 299 nor 302, nor 101 of a WebSocket
	Ignored             = "ignored"               // the request has the header x-akto-ignore
	Options             = "options"               // the method is OPTIONS
	Extension           = "extension"             // the path is that of a static file
	ContentType         = "content_type"          // the request sends a script or a picture
	Page                = "page"                  // the response is a page of HTML
	AdvancedBlock       = "advanced_block"        // the filter DEFAULT_BLOCK_FILTER holds
	AdvancedUnmatched   = "advanced_unmatched"    // there are advanced filters, and none holds
	RateLimit           = "rate_limit"            // see Limiter; Keep does not use it
)

// Rules gives the names of all rules. The caller may change what it gets.
func Rules() []string {
	return []string{
		HeaderAllow, Host, PathPrefix, ResponseContentType, DefaultPayload, Status, Ignored, Options, Extension, ContentType, Page,
		AdvancedBlock, AdvancedUnmatched, RateLimit,
	}
}

// sourcePostman is the source of imported Postman collections: a saved response
// is what its author wanted to keep, whatever its status, and a request may have
// none.
const sourcePostman = "POSTMAN"

// A Filter applies the settings of an account. The nil and the zero Filter apply
// the rules that hold without settings. It does not change, and is safe for
// concurrent use.
type Filter struct {
	headers       []headerRule
	mappers       []mapper
	allowHosts    []string
	denyHosts     []string
	denyPaths     []string
	denyTypes     []string
	payloads      map[string]payload
	allowOptions  bool
	keepRedundant bool                // skip the redundant list
	extensions    map[string]struct{} // nil: the default list
	pages         []string            // content types of pages that are dropped
	advanced      *AdvancedSet
}

// plain is the Filter without settings.
var plain = &Filter{}

// Keep is the Keep of a Filter without settings.
func Keep(e *har.Entry, source string) (keep bool, rule string) { return plain.Keep(e, source) }

// WithAdvanced gives a Filter that applies a set of advanced filters too; nil and
// the empty set apply nothing.
func (f *Filter) WithAdvanced(s *AdvancedSet) *Filter {
	if f == nil {
		f = plain
	}
	c := *f
	c.advanced = s
	return &c
}

// Keep reports whether the inventory learns from an entry of the source, and if
// not, the rule that drops it. The first rule in this order gives the name:
//
//  1. the header allow list, hosts, path prefixes and content types of responses
//     (live traffic only);
//  2. the default payload of the host, which is the one of MapHost;
//  3. the status: 200 to 299 and 302 are kept, 101 of WebSockets, and what has
//     source POSTMAN;
//  4. the request header x-akto-ignore, with any value;
//  5. OPTIONS, unless the settings allow it;
//  6. the redundant list: paths that end like static files (.js, .png; not .json,
//     which APIs use), requests whose content type has "javascript" or "png" in
//     it, pages of HTML if the list says so;
//  7. advanced filters (live traffic only). The edits of those that hold are
//     made to e; its slices are replaced, not written to.
//
// Live traffic is what has source MIRRORING, SDK, OTHER, WIZ or none; everything
// else was imported by someone who wants to see it.
func (f *Filter) Keep(e *har.Entry, source string) (keep bool, rule string) {
	if f == nil {
		f = plain
	}
	live := isLive(source)
	host := ""
	if len(f.payloads) > 0 || live && len(f.allowHosts)+len(f.denyHosts) > 0 {
		host = f.host(e)
	}
	if live {
		if rule := f.capture(e, host); rule != "" {
			return false, rule
		}
	}
	if len(f.payloads) > 0 && f.isDefaultPayload(e, host) {
		return false, DefaultPayload
	}
	status := e.Response.Status
	socket := status == http.StatusSwitchingProtocols && e.IsWebSocket()
	if (status < 200 || status > 299) && status != 302 && source != sourcePostman && !socket {
		return false, Status
	}
	if _, ok := header(e.Request.Headers, "x-akto-ignore"); ok {
		return false, Ignored
	}
	if !f.allowOptions && strings.EqualFold(e.Request.Method, "OPTIONS") {
		return false, Options
	}
	if !f.keepRedundant {
		if rule := f.redundant(e); rule != "" {
			return false, rule
		}
	}
	if live && f.advanced.Len() > 0 {
		d := f.advanced.Evaluate(e, source)
		if rule := d.Rule(); rule != "" {
			return false, rule
		}
		d.Apply(e)
	}
	return true, ""
}

// isLive reports whether records of a source were seen on the wire just now.
func isLive(source string) bool {
	switch source {
	case "", "MIRRORING", "SDK", "OTHER", "WIZ":
		return true
	}
	return false
}

// capture applies the rules that say which traffic is looked at, in the order of
// what they cost.
func (f *Filter) capture(e *har.Entry, host string) (rule string) {
	if len(f.headers) > 0 && !f.headerAllowed(e) {
		return HeaderAllow
	}
	if glob.MatchHost(f.denyHosts, host) || len(f.allowHosts) > 0 && !glob.MatchHost(f.allowHosts, host) {
		return Host
	}
	if len(f.denyPaths) > 0 {
		path := target(e.Request.URL)
		for _, prefix := range f.denyPaths {
			if strings.HasPrefix(path, prefix) {
				return PathPrefix
			}
		}
	}
	if len(f.denyTypes) > 0 && f.typeDenied(e) {
		return ResponseContentType
	}
	return ""
}

func (f *Filter) headerAllowed(e *har.Entry) bool {
	for i := range f.headers {
		h := &f.headers[i]
		if hasHeader(e.Request.Headers, h.name, h.value) || hasHeader(e.Response.Headers, h.name, h.value) {
			return true
		}
	}
	return false
}

func (f *Filter) typeDenied(e *har.Entry) bool {
	media := e.Response.Content.MimeType
	if v, ok := header(e.Response.Headers, "content-type"); ok {
		media = v
	}
	if i := strings.IndexByte(media, ';'); i >= 0 {
		media = media[:i]
	}
	media = strings.TrimSpace(media)
	for _, pattern := range f.denyTypes {
		if glob.Match(pattern, media) {
			return true
		}
	}
	return false
}

// redundant applies the redundant list.
func (f *Filter) redundant(e *har.Entry) (rule string) {
	if f.extensions == nil && isStatic(e.Request.URL) || f.extensions != nil && hasExtension(e.Request.URL, f.extensions) {
		return Extension
	}
	if contentType, ok := header(e.Request.Headers, "content-type"); ok && contentType != "" {
		if containsFold(contentType, "javascript") || containsFold(contentType, "png") {
			return ContentType
		}
	}
	if len(f.pages) > 0 && f.isPage(e) {
		return Page
	}
	return ""
}

func (f *Filter) isPage(e *har.Entry) bool {
	if e.Request.Method != http.MethodGet {
		return false
	}
	contentType := e.Response.Content.MimeType
	if v, ok := header(e.Response.Headers, "content-type"); ok {
		contentType = v
	}
	for _, page := range f.pages {
		if containsFold(contentType, page) {
			return looksLikePage(e.Response.Content.Body)
		}
	}
	return false
}
