package filter

import (
	"bytes"
	"strings"

	"harken/har"
)

// MapHost gives the host that the settings give an exchange instead of its own;
// empty if they give none. Of several mappers that match, the first by its key
// counts. A mapper of the header "host" sees the host of the URL if there is no
// such header.
func (f *Filter) MapHost(e *har.Entry) string {
	if f == nil {
		return ""
	}
	for i := range f.mappers {
		m := &f.mappers[i]
		v, ok := header(e.Request.Headers, m.header)
		if !ok && m.header == "host" {
			v = ownHost(e)
			ok = v != ""
		}
		if ok && m.re.MatchString(v) {
			return m.newName
		}
	}
	return ""
}

// host is the host under which an exchange is known.
func (f *Filter) host(e *har.Entry) string {
	if len(f.mappers) > 0 {
		if h := f.MapHost(e); h != "" {
			return h
		}
	}
	return ownHost(e)
}

// ownHost is the host that a request names.
func ownHost(e *har.Entry) string {
	for _, name := range [...]string{"host", "authority", ":authority"} {
		if v, ok := header(e.Request.Headers, name); ok {
			if v = strings.TrimSpace(v); v != "" {
				return v
			}
		}
	}
	url := e.Request.URL
	i := strings.Index(url, "://")
	if i <= 0 || strings.IndexByte(url[:i], '/') >= 0 {
		return ""
	}
	url = url[i+3:]
	if j := strings.IndexAny(url, "/?#"); j >= 0 {
		url = url[:j]
	}
	return url[strings.LastIndexByte(url, '@')+1:]
}

// target gives path and query of a URL, without its fragment.
func target(url string) string {
	if i := strings.IndexByte(url, '#'); i >= 0 {
		url = url[:i]
	}
	i := strings.Index(url, "://")
	if i <= 0 || strings.IndexByte(url[:i], '/') >= 0 {
		return url
	}
	url = url[i+3:]
	if j := strings.IndexAny(url, "/?"); j >= 0 {
		return url[j:]
	}
	return "/"
}

// isDefaultPayload reports whether the response is one that the host gives for
// everything.
func (f *Filter) isDefaultPayload(e *har.Entry, host string) bool {
	var lower [255]byte
	if len(host) > len(lower) {
		return false
	}
	p, ok := f.payloads[string(appendLower(lower[:0], host))]
	if !ok {
		return false
	}
	body := e.Response.Content.Body
	if bytes.ContainsAny(body, "\r\n") {
		joined := make([]byte, 0, len(body))
		for _, c := range body {
			if c != '\r' && c != '\n' {
				joined = append(joined, c)
			}
		}
		body = joined
	}
	return p.re.Match(body)
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, lowerByte(s[i]))
	}
	return dst
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}
