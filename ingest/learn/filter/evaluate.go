package filter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"harken/har"
)

// An exchange is what conditions are evaluated on.
type exchange struct {
	entry  *har.Entry
	source string
}

func (c *condition) holds(x *exchange) bool {
	switch c.kind {
	case condAnd, condOr:
		or := c.kind == condOr
		for i := range c.subs {
			if c.subs[i].holds(x) == or {
				return or
			}
		}
		return !or
	case condNot:
		return !c.subs[0].holds(x)
	case condField:
		return c.onField(x)
	case condCount:
		n := 0
		x.pairs(c.field, func(string, string) bool { n++; return true })
		return passNumber(c.test, float64(n))
	default:
		one := c.kind == condOne
		found, result := false, !one
		x.pairs(c.field, func(k, v string) bool {
			found = true
			if (c.key == nil || pass(c.key, k)) && (c.test == nil || pass(c.test, v)) == one {
				result = one
				return false
			}
			return true
		})
		return result && found
	}
}

func (c *condition) onField(x *exchange) bool {
	e := x.entry
	switch c.field {
	case fieldURL:
		return pass(c.test, target(e.Request.URL))
	case fieldMethod:
		return pass(c.test, e.Request.Method)
	case fieldHost:
		return pass(c.test, ownHost(e))
	case fieldSource:
		return pass(c.test, x.source)
	case fieldCode:
		return passNumber(c.test, float64(e.Response.Status))
	case fieldRequestPayload:
		if e.Request.PostData == nil {
			return pass(c.test, "")
		}
		return pass(c.test, e.Request.PostData.Body)
	default:
		return pass(c.test, e.Response.Content.Body)
	}
}

// pass tests a text.
func pass[T string | []byte](t *textTest, s T) bool {
	switch t.kind {
	case testAnd, testOr:
		or := t.kind == testOr
		for i := range t.subs {
			if pass(&t.subs[i], s) == or {
				return or
			}
		}
		return !or
	case testNot:
		return !pass(&t.subs[0], s)
	case testEqual:
		for _, text := range t.texts {
			if len(s) == len(text) && foldAt(s, 0, text) {
				return true
			}
		}
		return false
	case testContains, testContainAll:
		all := t.kind == testContainAll
		for _, text := range t.texts {
			if hasFold(s, text) != all {
				return !all
			}
		}
		return all
	case testRegex:
		return found(t, s)
	case testLength:
		return passNumber(&t.subs[0], float64(len(s)))
	default:
		if len(s) == 0 || len(s) > 40 {
			return false
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(string(s)), 64)
		return err == nil && compare(t, v)
	}
}

// passNumber tests a number; expressions and texts look at its decimal digits.
func passNumber(t *textTest, v float64) bool {
	switch t.kind {
	case testAnd, testOr:
		or := t.kind == testOr
		for i := range t.subs {
			if passNumber(&t.subs[i], v) == or {
				return or
			}
		}
		return !or
	case testNot:
		return !passNumber(&t.subs[0], v)
	case testGT, testGTE, testLT, testLTE:
		return compare(t, v)
	default:
		var buf [32]byte
		return pass(t, strconv.AppendFloat(buf[:0], v, 'f', -1, 64))
	}
}

func compare(t *textTest, v float64) bool {
	switch t.kind {
	case testGT:
		return v > t.number
	case testGTE:
		return v >= t.number
	case testLT:
		return v < t.number
	default:
		return v <= t.number
	}
}

// maxSearched is how much of a text expressions look at, in bytes: their time is
// proportional to it times the size of the expression.
const maxSearched = 256 << 10

func found[T string | []byte](t *textTest, s T) bool {
	s = s[:min(len(s), maxSearched)]
	for _, re := range t.regexps {
		switch s := any(s).(type) {
		case string:
			if re.MatchString(s) {
				return true
			}
		case []byte:
			if re.Match(s) {
				return true
			}
		}
	}
	return false
}

// hasFold reports whether s has lower, a text in lower case, in any ASCII case.
func hasFold[T string | []byte](s T, lower string) bool {
	if lower == "" {
		return true
	}
	for i := 0; i+len(lower) <= len(s); i++ {
		if lowerByte(s[i]) == lower[0] && foldAt(s, i, lower) {
			return true
		}
	}
	return false
}

func foldAt[T string | []byte](s T, at int, lower string) bool {
	for i := range len(lower) {
		if lowerByte(s[at+i]) != lower[i] {
			return false
		}
	}
	return true
}

// maxPairs bounds the pairs of a payload that are looked at.
const maxPairs = 1000

// pairs gives the names and values of a field until yield returns false.
func (x *exchange) pairs(f fieldName, yield func(key, value string) bool) {
	e := x.entry
	switch f {
	case fieldRequestHeaders:
		if _, ok := header(e.Request.Headers, "host"); !ok {
			// A request of HTTP/2 has an authority instead.
			if host := ownHost(e); host != "" && !yield("host", host) {
				return
			}
		}
		headerPairs(e.Request.Headers, yield)
	case fieldResponseHeaders:
		headerPairs(e.Response.Headers, yield)
	case fieldQuery:
		query := e.Request.QueryString
		if len(query) == 0 {
			if _, q, ok := strings.Cut(target(e.Request.URL), "?"); ok && q != "" {
				query = har.ParseQuery(q)
			}
		}
		headerPairs(query, yield)
	case fieldRequestPayload:
		if p := e.Request.PostData; p != nil {
			bodyPairs(p.Body, p.MimeType, yield)
		}
	case fieldResponsePayload:
		bodyPairs(e.Response.Content.Body, e.Response.Content.MimeType, yield)
	default: // is one text
	}
}

func headerPairs(headers []har.Header, yield func(key, value string) bool) {
	for i := range headers {
		if !yield(headers[i].Name, headers[i].Value) {
			return
		}
	}
}

// bodyPairs gives the scalars of JSON with the names of the members that they are
// in, and the fields of a form.
func bodyPairs(body []byte, mimeType string, yield func(key, value string) bool) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return
	}
	if containsFold(mimeType, "x-www-form-urlencoded") {
		fields := har.ParseQuery(string(body))
		headerPairs(fields[:min(len(fields), maxPairs)], yield)
		return
	}
	if body[0] != '{' && body[0] != '[' {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		object, named bool
		name          string
	}
	var stack []level
	for n := 0; n < maxPairs; {
		tok, err := dec.Token()
		if err != nil {
			return
		}
		var top *level
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		var value string
		switch v := tok.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				stack = stack[:len(stack)-1]
				continue
			}
			next := level{object: v == '{'}
			if top != nil {
				next.name, top.named = top.name, false
			}
			stack = append(stack, next)
			continue
		case string:
			if top != nil && top.object && !top.named {
				top.name, top.named = v, true
				continue
			}
			value = v
		case json.Number:
			value = v.String()
		case bool:
			value = strconv.FormatBool(v)
		default:
			value = "null"
		}
		if top == nil {
			return
		}
		top.named = false
		n++
		if !yield(top.name, value) {
			return
		}
	}
}
