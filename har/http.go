package har

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AppendHeaders appends the fields of h to dst, sorted by name, the values of
// one name in their order, each as an element of its own. Trailers are appended
// by a second call.
func AppendHeaders(dst []Header, h http.Header) []Header {
	var few [32]string // most messages have fewer: no allocation
	names := few[:0]
	n := 0
	for name, values := range h {
		names = append(names, name)
		n += len(values)
	}
	slices.Sort(names)
	dst = slices.Grow(dst, n)
	for _, name := range names {
		for _, v := range h[name] {
			dst = append(dst, Header{name, v})
		}
	}
	return dst
}

// HeaderValue returns the value of the first header of that name, in any case
// (RFC 9110, section 5.1).
func HeaderValue(hs []Header, name string) (string, bool) {
	for i := range hs {
		if strings.EqualFold(hs[i].Name, name) {
			return hs[i].Value, true
		}
	}
	return "", false
}

// ParseQuery splits the query of a URL, without its question mark, into names
// and values in their order. Pairs are separated by '&' alone; '+' is a space; an
// escape that is none stays as it is. A pair without '=' has an empty value.
func ParseQuery(query string) []Header {
	if query == "" {
		return nil
	}
	qs := make([]Header, 0, strings.Count(query, "&")+1)
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		qs = append(qs, Header{unescapeQuery(name), unescapeQuery(value)})
	}
	return qs
}

func unescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return strings.ReplaceAll(s, "+", " ")
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b.WriteByte(' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// HTTPVersion returns the name of a version as HAR files have it: "HTTP/1.1",
// "HTTP/2.0".
func HTTPVersion(major, minor int) string {
	switch {
	case major == 1 && minor == 1:
		return "HTTP/1.1"
	case major == 2 && minor == 0:
		return "HTTP/2.0"
	case major == 3 && minor == 0:
		return "HTTP/3.0"
	}
	return "HTTP/" + strconv.Itoa(major) + "." + strconv.Itoa(minor)
}

// JoinURL returns the absolute URL of a request, without fragment, from its
// request target. A target in absolute form (RFC 9112, section 3.2.2) is taken as
// it is; "*" and an empty one mean the root.
func JoinURL(scheme, host, target string) string {
	target, _, _ = strings.Cut(target, "#")
	switch {
	case target == "" || target == "*":
		target = "/"
	case target[0] == '/':
	case strings.Contains(target, "://"):
		return target
	default:
		target = "/" + target
	}
	return scheme + "://" + host + target
}

// RequestCookies returns the cookies that the Cookie headers carry, in their
// order. It reads what browsers and servers tolerate, not only RFC 6265.
func RequestCookies(hs []Header) []Cookie {
	var cs []Cookie
	for i := range hs {
		if !strings.EqualFold(hs[i].Name, "cookie") {
			continue
		}
		for pair := range strings.SplitSeq(hs[i].Value, ";") {
			if pair = strings.TrimSpace(pair); pair != "" {
				cs = append(cs, cookiePair(pair))
			}
		}
	}
	return cs
}

// cookiePair splits name=value. A cookie without '=' is a value without a name,
// as browsers have it (RFC 6265bis, section 5.6).
func cookiePair(pair string) Cookie {
	name, value, found := strings.Cut(pair, "=")
	if !found {
		name, value = "", name
	}
	value = strings.TrimSpace(value)
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return Cookie{Name: strings.TrimSpace(name), Value: value}
}

// ResponseCookies returns the cookies that the Set-Cookie headers of a response
// set, received at that time: Max-Age counts from it, and wins over Expires (RFC
// 6265, section 5.3).
func ResponseCookies(hs []Header, received time.Time) []Cookie {
	var cs []Cookie
	for i := range hs {
		if strings.EqualFold(hs[i].Name, "set-cookie") {
			cs = append(cs, setCookie(hs[i].Value, received))
		}
	}
	return cs
}

func setCookie(line string, received time.Time) Cookie {
	pair, attributes, _ := strings.Cut(line, ";")
	c := cookiePair(pair)
	aged := false
	for a := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(a, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "path":
			c.Path = value
		case "domain":
			c.Domain = value
		case "samesite":
			c.SameSite = value
		case "httponly":
			c.HTTPOnly = true
		case "secure":
			c.Secure = true
		case "expires":
			if !aged {
				c.Expires = cookieTime(value)
			}
		case "max-age":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				aged = true
				c.Expires = received.Add(time.Duration(min(max(n, 0), maxAge)) * time.Second)
			}
		}
	}
	return c
}

// maxAge is 400 days in seconds, the limit that browsers set.
const maxAge = 400 * 24 * 60 * 60

// cookieTime reads the dates of Expires, which come with dashes too.
func cookieTime(s string) time.Time {
	t, err := http.ParseTime(s)
	if err != nil {
		t, err = time.Parse("Mon, 02-Jan-2006 15:04:05 MST", s)
	}
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
