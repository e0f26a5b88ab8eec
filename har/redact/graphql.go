package redact

import (
	"strings"

	"harken/internal/jsonlex"
)

// The limits of a GraphQL document; beyond them it is text like any other.
const (
	maxDocument   = 1 << 20
	maxGraphDepth = 200
)

// A graphRewriter reads an executable document of GraphQL (October 2021, 2) and
// copies it with the values of its arguments replaced. After a mistake it is bad
// and at the end.
type graphRewriter struct {
	w     *worker
	s     string
	hide  bool
	i     int // behind the token
	start int // of the token
	token byte
	text  string
	from  int // what is before it was copied
	out   strings.Builder
	bad   bool
}

// Tokens that are not punctuators.
const (
	graphEnd    = 0
	graphName   = 'n'
	graphNumber = '0'
	graphString = '"'
)

// graphql rewrites a document; ok is false if s is not one.
func (w *worker) graphql(sc scope, s string) (out string, ok bool) {
	if len(s) > maxDocument {
		return s, false
	}
	mark := len(w.arena)
	defer func() { w.arena = w.arena[:mark] }()
	g := graphRewriter{w: w, s: s, hide: sc.hide}
	operations := 0
	for g.next(); g.token != graphEnd; {
		switch {
		case g.token == '{':
			operations++
			g.selections(sc, 1)
		case g.token == graphName && (g.text == "query" || g.text == "mutation" || g.text == "subscription"):
			operations++
			g.operation(sc)
		case g.token == graphName && g.text == "fragment":
			g.next()
			g.want(graphName)
			if g.text != "on" {
				g.fail()
			}
			g.want(graphName)
			g.want(graphName)
			g.directives(sc)
			g.selections(sc, 1)
		default:
			g.fail()
		}
	}
	if g.bad || operations == 0 {
		return s, false
	}
	g.out.WriteString(s[g.from:])
	return g.out.String(), true
}

func (g *graphRewriter) fail() { g.bad, g.token, g.text, g.i = true, graphEnd, "", len(g.s) }

func (g *graphRewriter) skip(token byte) bool {
	if g.token != token {
		return false
	}
	g.next()
	return true
}

func (g *graphRewriter) want(token byte) {
	if !g.skip(token) {
		g.fail()
	}
}

// enter is worker.enter for the name at hand.
func (g *graphRewriter) enter(sc scope) (inner scope, mark int) {
	mark = len(g.w.arena)
	return g.w.enter(sc, g.text), mark
}

func (g *graphRewriter) operation(sc scope) {
	g.next()
	g.skip(graphName)
	if g.skip('(') {
		for g.skip('$') {
			inner, mark := g.enter(sc)
			g.want(graphName)
			g.want(':')
			g.variableType()
			if g.skip('=') {
				g.value(inner, 1)
			}
			g.w.arena = g.w.arena[:mark]
			g.directives(sc)
		}
		g.want(')')
	}
	g.directives(sc)
	g.selections(sc, 1)
}

func (g *graphRewriter) variableType() {
	depth := 0
	for g.skip('[') {
		depth++
	}
	g.want(graphName)
	for !g.bad {
		switch {
		case depth > 0 && g.skip(']'):
			depth--
		case !g.skip('!'):
			if depth > 0 {
				g.fail()
			}
			return
		}
	}
}

func (g *graphRewriter) directives(sc scope) {
	for g.skip('@') {
		g.want(graphName)
		g.arguments(sc, 1)
	}
}

func (g *graphRewriter) arguments(sc scope, depth int) {
	if !g.skip('(') {
		return
	}
	for g.token == graphName {
		g.named(sc, depth)
	}
	g.want(')')
}

// named reads an argument or a member of an object.
func (g *graphRewriter) named(sc scope, depth int) {
	inner, mark := g.enter(sc)
	g.want(graphName)
	g.want(':')
	g.value(inner, depth)
	g.w.arena = g.w.arena[:mark]
}

func (g *graphRewriter) selections(sc scope, depth int) {
	if depth > maxGraphDepth {
		g.fail()
	}
	g.want('{')
	n := 0
	for ; g.token != '}' && !g.bad; n++ {
		if g.skip('.') {
			if g.token == graphName && g.text != "on" {
				g.next()
				g.directives(sc)
				continue
			}
			if g.skip(graphName) {
				g.want(graphName)
			}
			g.directives(sc)
			g.selections(sc, depth+1)
			continue
		}
		inner, mark := g.enter(sc)
		g.want(graphName)
		if g.skip(':') { // that was an alias
			g.w.arena = g.w.arena[:mark]
			inner, mark = g.enter(sc)
			g.want(graphName)
		}
		g.arguments(inner, depth)
		g.directives(sc)
		if g.token == '{' {
			g.selections(inner, depth+1)
		}
		g.w.arena = g.w.arena[:mark]
	}
	if n == 0 {
		g.fail()
	}
	g.want('}')
}

func (g *graphRewriter) value(sc scope, depth int) {
	if depth > maxGraphDepth {
		g.fail()
	}
	switch g.token {
	case graphString, graphNumber, graphName:
		v, changed := g.text, false
		if sc.hide || g.text != "null" {
			v, changed = g.w.text(sc, v)
		}
		if changed {
			g.put(string(appendJSON(nil, v)), g.start)
		}
		g.next()
	case '$':
		g.next()
		g.want(graphName)
	case '[':
		for g.next(); g.token != ']' && !g.bad; {
			g.value(sc, depth+1)
		}
		g.want(']')
	case '{':
		for g.next(); g.token != '}' && !g.bad; {
			g.named(sc, depth+1)
		}
		g.want('}')
	default:
		g.fail()
	}
}

// put writes text in place of what is from start to the end of the token.
func (g *graphRewriter) put(text string, start int) {
	g.out.WriteString(g.s[g.from:start])
	g.out.WriteString(text)
	g.from = g.i
}

// next takes the next token in hand.
func (g *graphRewriter) next() {
	g.space()
	g.start = g.i
	if g.i >= len(g.s) {
		g.token, g.text = graphEnd, ""
		return
	}
	switch c := g.s[g.i]; {
	case isNameStart(c):
		for g.i < len(g.s) && (isNameStart(g.s[g.i]) || isDigit(g.s[g.i])) {
			g.i++
		}
		g.token = graphName
	case isDigit(c), c == '-':
		n, ok := jsonlex.Number(g.s, g.i)
		if g.i = n; !ok || g.i < len(g.s) && (isNameStart(g.s[g.i]) || isDigit(g.s[g.i]) || g.s[g.i] == '.') {
			g.fail()
			return
		}
		g.token = graphNumber
	case c == '"':
		g.quoted()
		return
	case strings.HasPrefix(g.s[g.i:], "..."):
		g.i += 3
		g.token = '.'
	case strings.IndexByte("!$&():=@[]{|}", c) >= 0:
		g.i++
		g.token = c
	default:
		g.fail()
		return
	}
	g.text = g.s[g.start:g.i]
}

// space passes what has no meaning. Comments go where everything is hidden.
func (g *graphRewriter) space() {
	for g.i < len(g.s) {
		switch c := g.s[g.i]; {
		case c == ' ', c == '\t', c == '\n', c == '\r', c == ',':
			g.i++
		case c == '#':
			start := g.i
			if n := strings.IndexAny(g.s[g.i:], "\r\n"); n >= 0 {
				g.i += n
			} else {
				g.i = len(g.s)
			}
			if g.hide {
				g.put("", start)
			}
		case strings.HasPrefix(g.s[g.i:], "\uFEFF"):
			g.i += len("\uFEFF")
		default:
			return
		}
	}
}

// quoted reads a string or a block string.
func (g *graphRewriter) quoted() {
	g.token = graphString
	if body, ok := strings.CutPrefix(g.s[g.i:], `"""`); ok {
		for from := 0; ; {
			n := strings.Index(body[from:], `"""`)
			if n < 0 {
				g.fail()
				return
			}
			if n += from; n == 0 || body[n-1] != '\\' {
				g.i += n + 6
				g.text = strings.TrimSpace(strings.ReplaceAll(body[:n], `\"""`, `"""`))
				return
			}
			from = n + 3
		}
	}
	start, decode, escaped := g.i+1, true, false
	for i := start; i < len(g.s) && g.s[i] != '\n' && g.s[i] != '\r'; i++ {
		switch g.s[i] {
		case '"':
			g.i = i + 1
			if g.text = g.s[start:i]; escaped && decode {
				g.text = decodeText(g.text)
			}
			return
		case '\\':
			escaped = true
			decode = decode && jsonlex.EscapeLen(g.s, i) > 0
			i++
		}
	}
	g.fail()
}

func isNameStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' && c < 0x80 }
