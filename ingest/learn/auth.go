package learn

import (
	"slices"
	"strings"

	"harken/har"
	"harken/inventory"
	"harken/inventory/datatype"
)

// An authSet is the set of ways in which one request proved who it is from.
type authSet struct {
	ways   authWays
	custom string // the name of a way that a person defined
}

// seenAuth is a set and when it was seen first.
type seenAuth struct {
	authSet
	first int64
}

// authWays are the built-in ways, as bits.
type authWays uint16

const (
	authAPIKey authWays = 1 << iota
	authHeader
	authBasic
	authBearer
	authJWT
	authMTLS
	authSession
)

// names gives the published names, sorted.
func (s authSet) names() []string {
	if s == (authSet{}) {
		return []string{"UNAUTHENTICATED"}
	}
	var names []string
	if s.custom != "" {
		names = append(names, s.custom)
	}
	for i, n := range [...]string{"API_KEY", "AUTHORIZATION_HEADER", "BASIC", "BEARER", "JWT", "MTLS", "SESSION_TOKEN"} {
		if s.ways&(1<<i) != 0 && n != s.custom {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// What the name of a header or cookie says.
type nameClass uint8

const (
	nameAPIKey nameClass = 1 << iota
	nameAuthorization
	nameClientCert
	nameSession
	nameIgnored
	nameCookie
	nameForwarded
)

// An authDetector finds how requests authenticate. It remembers what names say.
type authDetector struct {
	classes   map[string]nameClass
	forwarded []string // values of the headers that tell the addresses of clients
	caller    inventory.Callers
	rank      nameClass // of the header that told caller
}

// sawCaller takes the credentials of a request for who sent it: of the header
// that says most, the first.
func (d *authDetector) sawCaller(c nameClass, value string) {
	for _, rank := range [...]nameClass{nameAuthorization, nameAPIKey, nameClientCert, nameSession, nameCookie} {
		switch {
		case d.rank == rank:
			return
		case c&rank != 0 && value != "":
			d.rank, d.caller = rank, inventory.CallerOf(inventory.HashValue(value))
			return
		}
	}
}

// maxClasses bounds the names that are remembered.
const maxClasses = 4096

// addAuth puts a set that was seen at a time into sets, which are distinct.
func addAuth(sets []seenAuth, s authSet, at int64) []seenAuth {
	for i := range sets {
		if sets[i].authSet == s {
			sets[i].first = min(sets[i].first, at)
			return sets
		}
	}
	return append(sets, seenAuth{s, at})
}

// custom finds the way that a person defined.
func custom(ways *datatype.AuthTypes, collection int32, e *har.Entry) string {
	var body []byte
	if p := e.Request.PostData; p != nil {
		body = p.Body
	}
	return ways.Match(collection, func(name string) bool { return hasHeaderOrCookie(e, name) }, body)
}

func hasHeaderOrCookie(e *har.Entry, name string) bool {
	for i := range e.Request.Headers {
		h := &e.Request.Headers[i]
		if strings.EqualFold(h.Name, name) {
			return true
		}
		if !strings.EqualFold(h.Name, "cookie") {
			continue
		}
		for pair := range strings.SplitSeq(h.Value, ";") {
			if key, _, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(key, name) {
				return true
			}
		}
	}
	return slices.ContainsFunc(e.Request.Cookies, func(c har.Cookie) bool { return strings.EqualFold(c.Name, name) })
}

func (d *authDetector) find(e *har.Entry) authWays {
	var s authWays
	d.forwarded, d.rank, d.caller = d.forwarded[:0], 0, inventory.Callers{}
	cookieJWT, headerJWT, cookies := false, false, false
	for i := range e.Request.Headers {
		h := &e.Request.Headers[i]
		c := d.class(h.Name)
		if c&nameIgnored != 0 {
			continue
		}
		if c&^nameForwarded != 0 {
			d.sawCaller(c, h.Value)
		}
		if c&nameCookie != 0 {
			cookies = true
			for pair := range strings.SplitSeq(h.Value, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				s |= d.cookie(name, value, &cookieJWT)
			}
			continue
		}
		if c&nameForwarded != 0 {
			d.forwarded = append(d.forwarded, h.Value)
		}
		scheme := credentials(h.Value)
		s |= scheme
		if c&nameAPIKey != 0 {
			s |= authAPIKey
		}
		if c&nameClientCert != 0 && h.Value != "" {
			s |= authMTLS
		}
		if c&nameSession != 0 {
			s |= authSession
		}
		if c&nameAuthorization != 0 && scheme == 0 {
			s |= authHeader
		}
		if !headerJWT && !strings.EqualFold(h.Name, "authorization") {
			headerJWT = isJWT(h.Value)
		}
	}
	if !cookies {
		for i := range e.Request.Cookies {
			s |= d.cookie(e.Request.Cookies[i].Name, e.Request.Cookies[i].Value, &cookieJWT)
		}
	}
	if cookieJWT || headerJWT {
		s |= authJWT
	}
	return s
}

func (d *authDetector) cookie(name, value string, jwt *bool) authWays {
	s := credentials(value)
	*jwt = *jwt || isJWT(value)
	if d.class(name)&nameSession != 0 {
		s |= authSession
	}
	return s
}

// credentials recognizes "Bearer x" and "Basic x" in any header.
func credentials(value string) authWays {
	if len(value) < 7 || value[0]|0x20 != 'b' {
		return 0
	}
	bearer := strings.EqualFold(value[:6], "bearer")
	if !bearer && !strings.EqualFold(value[:5], "basic") {
		return 0
	}
	if !twoFields(value) {
		return 0
	}
	if bearer {
		return authBearer
	}
	return authBasic
}

// twoFields reports whether a text has two fields between spaces.
func twoFields(s string) bool {
	_, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	rest = strings.TrimLeft(rest, " ")
	return ok && strings.IndexByte(rest, ' ') < 0
}

func isJWT(value string) bool {
	return len(value) > 10 && strings.Count(value, ".") == 2 && datatype.OfText(value) == datatype.JWT
}

func (d *authDetector) class(name string) nameClass {
	c, ok := d.classes[name]
	if ok {
		return c
	}
	if d.classes == nil || len(d.classes) >= maxClasses {
		d.classes = map[string]nameClass{}
	}
	c = classify(strings.ToLower(name))
	d.classes[strings.Clone(name)] = c
	return c
}

func classify(name string) nameClass {
	var c nameClass
	switch {
	case strings.HasPrefix(name, "x-akto-installer"):
		return nameIgnored
	case name == "cookie":
		return nameCookie
	case name == "authorization" || name == "auth":
		c |= nameAuthorization
	case inventory.Forwarded(name):
		c |= nameForwarded
	}
	bare := strings.NewReplacer("_", "", "-", "").Replace(name)
	if strings.Contains(bare, "apikey") || strings.Contains(bare, "passkey") {
		c |= nameAPIKey
	}
	for _, n := range [...]string{"clientcert", "sslcert", "clientdn", "sslclientsdn", "sslclientverify", "forwardedclientcert"} {
		if strings.Contains(bare, n) {
			c |= nameClientCert
		}
	}
	if sessionName(name) {
		c |= nameSession
	}
	return c
}

// sessionName matches session, session_id, x-session-token and the like: the
// whole name, or what follows a - or _ in it.
func sessionName(name string) bool {
	i := strings.LastIndex(name, "session")
	if i < 0 || i > 0 && name[i-1] != '-' && name[i-1] != '_' {
		return false
	}
	rest := name[i+len("session"):]
	if rest != "" && strings.ContainsRune("_.-", rune(rest[0])) {
		rest = rest[1:]
		return rest == "id" || rest == "key" || rest == "token"
	}
	return rest == "" || rest == "id" || rest == "key" || rest == "token"
}
