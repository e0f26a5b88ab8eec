package har

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// AppendEntry appends e as JSON to dst.
func AppendEntry(dst []byte, e *Entry) []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return append(dst, b...)
}

// ParseQuery returns the parameters of a raw query in order.
func ParseQuery(rawQuery string) []Header {
	var out []Header
	for part := range strings.SplitSeq(rawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		out = append(out, Header{unescape(name), unescape(value)})
	}
	return out
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// RequestCookies returns the cookies of the Cookie fields of h.
func RequestCookies(h []Header) []Cookie {
	var out []Cookie
	for _, f := range h {
		if !strings.EqualFold(f.Name, "cookie") {
			continue
		}
		cs, err := http.ParseCookie(f.Value)
		if err != nil {
			continue
		}
		for _, c := range cs {
			out = append(out, Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return out
}

// ResponseCookies returns the cookies of the Set-Cookie fields of h.
func ResponseCookies(h []Header, _ time.Time) []Cookie {
	var out []Cookie
	for _, f := range h {
		if !strings.EqualFold(f.Name, "set-cookie") {
			continue
		}
		if c, err := http.ParseSetCookie(f.Value); err == nil {
			out = append(out, Cookie{Name: c.Name, Value: c.Value, Path: c.Path, Domain: c.Domain, HTTPOnly: c.HttpOnly, Secure: c.Secure})
		}
	}
	return out
}

// HeaderValue returns the value of the first header of that name.
func HeaderValue(hs []Header, name string) (string, bool) {
	for i := range hs {
		if strings.EqualFold(hs[i].Name, name) {
			return hs[i].Value, true
		}
	}
	return "", false
}

// JoinURL returns the absolute URL of a request target.
func JoinURL(scheme, host, target string) string {
	target, _, _ = strings.Cut(target, "#")
	switch {
	case target == "" || target == "*":
		target = "/"
	case target[0] == '/':
	default:
		target = "/" + target
	}
	return scheme + "://" + host + target
}
