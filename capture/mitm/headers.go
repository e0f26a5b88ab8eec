package mitm

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"harken/har"
)

// removeHopHeaders removes what concerns one connection only (RFC 9110, section
// 7.6.1), except that a client may say that it takes trailers.
func removeHopHeaders(h http.Header) {
	for _, v := range h["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			// A message's length is no property of a connection, whoever says so.
			if key := textproto.CanonicalMIMEHeaderKey(textproto.TrimString(token)); key != "Te" && key != "Content-Length" {
				delete(h, key)
			}
		}
	}
	for k, v := range h {
		switch k {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Http2-Settings":
			delete(h, k)
		case "Te":
			if hasToken(v, "trailers") {
				h[k] = []string{"trailers"}
			} else {
				delete(h, k)
			}
		default:
			if strings.HasPrefix(k, "Proxy-") {
				delete(h, k)
			}
		}
	}
}

// hasToken reports whether a comma-separated list holds token, in any case.
func hasToken(list []string, token string) bool {
	for _, v := range list {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}

// requestHeaders is the header of r as it is recorded: Host first, which
// net/http keeps elsewhere, then by name; what is addressed to the proxy is left
// out, or its password would be in the record.
func requestHeaders(r *http.Request) []har.Header {
	list := make([]har.Header, 1, 4+len(r.Header))
	list[0] = har.Header{Name: "Host", Value: r.Host}
	list = appendHeaders(list, r.Header)
	if len(r.TransferEncoding) > 0 {
		list = append(list, har.Header{Name: "Transfer-Encoding", Value: strings.Join(r.TransferEncoding, ", ")})
	} else if r.ContentLength > 0 && r.Header["Content-Length"] == nil {
		list = append(list, har.Header{Name: "Content-Length", Value: strconv.FormatInt(r.ContentLength, 10)})
	}
	sortHeaders(list[1:])
	return list
}

// responseHeaders is the header of resp as it is recorded.
func responseHeaders(resp *http.Response) []har.Header {
	list := appendHeaders(make([]har.Header, 0, 2+len(resp.Header)), resp.Header)
	if len(resp.TransferEncoding) > 0 {
		list = append(list, har.Header{Name: "Transfer-Encoding", Value: strings.Join(resp.TransferEncoding, ", ")})
	}
	sortHeaders(list)
	return list
}

func trailers(h http.Header) []har.Header {
	if len(h) == 0 {
		return nil
	}
	list := appendHeaders(nil, h)
	sortHeaders(list)
	return list
}

func appendHeaders(list []har.Header, h http.Header) []har.Header {
	for k, vs := range h {
		if strings.HasPrefix(k, "Proxy-") || k == ":protocol" {
			continue
		}
		for _, v := range vs {
			list = append(list, har.Header{Name: k, Value: v})
		}
	}
	return list
}

func sortHeaders(list []har.Header) {
	slices.SortStableFunc(list, func(a, b har.Header) int { return strings.Compare(a.Name, b.Name) })
}

// rawTarget is the path and query of r as the client sent them.
func rawTarget(r *http.Request) string {
	raw := r.RequestURI
	if strings.HasPrefix(raw, "/") || raw == "*" {
		return raw
	}
	if _, rest, ok := strings.Cut(raw, "://"); ok {
		i := strings.IndexAny(rest, "/?")
		switch {
		case i < 0 && r.Method == http.MethodOptions:
			return "*" // RFC 9112, section 3.2.4
		case i < 0:
			return "/"
		case rest[i] == '?':
			return "/" + rest[i:]
		}
		return rest[i:]
	}
	return r.URL.RequestURI()
}

// setTarget makes the transport send raw byte for byte: it would otherwise write
// the path in its own way of escaping. A path of two slashes at its beginning
// cannot be given as opaque, because it would be taken for an authority; it is
// sent as net/url escapes it, which keeps all but bytes that no URL may have.
func setTarget(r *http.Request, raw string) {
	r.URL.User = nil
	r.URL.Fragment, r.URL.RawFragment = "", ""
	if r.URL.RequestURI() == raw || strings.HasPrefix(raw, "//") {
		return
	}
	path, query, has := strings.Cut(raw, "?")
	r.URL.Opaque, r.URL.RawQuery, r.URL.ForceQuery = path, query, has && query == ""
}

// recordedHost is an authority as it stands in a record.
func recordedHost(authority, scheme string) string {
	host := strings.ToLower(authority)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return host
}
