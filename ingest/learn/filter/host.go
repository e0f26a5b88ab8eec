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

// matchHost reports whether a host, with or without a port, matches a pattern.
func matchHost(patterns []string, host string) bool {
	if len(patterns) == 0 {
		return false
	}
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && (strings.IndexByte(host, ':') == i || strings.HasSuffix(host[:i], "]")) {
		name = host[:i]
	}
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		name = name[1 : len(name)-1]
	}
	for _, p := range patterns {
		if glob(p, name) || len(name) != len(host) && glob(p, host) {
			return true
		}
	}
	return false
}

// glob matches in any case, in time proportional to the product of the lengths:
// the pattern, in lower case, is the operator's, but the text comes from outside.
func glob(p, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == lowerByte(s[j])):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
