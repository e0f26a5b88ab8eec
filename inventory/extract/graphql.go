package extract

import (
	"strings"
	"unicode/utf8"

	"harken/internal/jsonlex"
)

// The limits of a GraphQL document; beyond them it is not one.
const (
	maxDocument   = 1 << 20 // bytes
	maxGraphDepth = 64
	maxGraphNodes = 20_000 // fields and values, as written
)

// A graphDocument is an executable document (GraphQL, October 2021, 2.2).
type graphDocument struct {
	operations []graphOperation
	fragments  map[string][]graphSelection
}

type graphOperation struct {
	kind, name string // "query", "mutation" or "subscription"
	defaults   map[string]*graphNode
	selections []graphSelection
}

// A graphSelection is a field, a spread (spread is set) or an inline fragment
// (neither name nor spread is set).
type graphSelection struct {
	name, spread string
	arguments    []graphArgument
	selections   []graphSelection
}

type graphArgument struct {
	name  string
	value graphNode
}

type graphNodeKind uint8

const (
	graphScalar graphNodeKind = iota
	graphList
	graphObject
	graphVariable
)

// A graphNode is a value: of a list the names of its items are empty.
type graphNode struct {
	kind   graphNodeKind
	scalar Kind
	text   string
	items  []graphArgument
}

// parseGraphQL reads a document, whose text is UTF-8; nil if it is not valid or
// beyond the limits.
func parseGraphQL(s string) *graphDocument {
	if len(s) > maxDocument {
		return nil
	}
	p := graphParser{s: s}
	p.next()
	d := &graphDocument{fragments: map[string][]graphSelection{}}
	for p.kind != graphEnd {
		switch {
		case p.is('{'):
			d.operations = append(d.operations, graphOperation{kind: "query", selections: p.selectionSet(1)})
		case p.text == "query", p.text == "mutation", p.text == "subscription":
			d.operations = append(d.operations, p.operation())
		case p.text == "fragment":
			p.next()
			name := p.name()
			if p.name() != "on" || name == "on" {
				return nil
			}
			p.name()
			p.directives()
			d.fragments[name] = p.selectionSet(1)
		default:
			return nil
		}
		if p.bad {
			return nil
		}
	}
	if p.bad || len(d.operations) == 0 {
		return nil
	}
	return d
}

type graphTokenKind uint8

const (
	graphEnd graphTokenKind = iota
	graphPunctuator
	graphName
	graphNumber
	graphString
)

// A graphParser has one token in hand. After a mistake it is bad and at the end,
// so that whatever reads on comes to an end too.
type graphParser struct {
	s     string
	i     int
	kind  graphTokenKind
	text  string
	nodes int
	bad   bool
}

func (p *graphParser) fail() {
	p.bad, p.kind, p.text, p.i = true, graphEnd, "", len(p.s)
}

func (p *graphParser) is(c byte) bool { return p.kind == graphPunctuator && p.text[0] == c }

// skip passes a punctuator if it is next.
func (p *graphParser) skip(c byte) bool {
	if !p.is(c) {
		return false
	}
	p.next()
	return true
}

func (p *graphParser) want(c byte) {
	if !p.skip(c) {
		p.fail()
	}
}

func (p *graphParser) name() string {
	if p.kind != graphName {
		p.fail()
		return ""
	}
	name := p.text
	p.next()
	return name
}

// node counts a field or a value.
func (p *graphParser) node(depth int) bool {
	if p.nodes++; p.nodes > maxGraphNodes || depth > maxGraphDepth {
		p.fail()
	}
	return !p.bad
}

func (p *graphParser) operation() graphOperation {
	o := graphOperation{kind: p.name()}
	if p.kind == graphName {
		o.name = p.name()
	}
	if p.skip('(') {
		for p.is('$') && p.node(0) {
			p.next()
			name := p.name()
			p.want(':')
			p.variableType()
			if p.skip('=') {
				v := p.value(1)
				if o.defaults == nil {
					o.defaults = map[string]*graphNode{}
				}
				o.defaults[name] = &v
			}
			p.directives()
		}
		p.want(')')
	}
	p.directives()
	o.selections = p.selectionSet(1)
	return o
}

func (p *graphParser) variableType() {
	depth := 0
	for p.skip('[') {
		depth++
	}
	p.name()
	for p.skip('!') || depth > 0 && p.is(']') {
		if depth > 0 && p.skip(']') {
			depth--
		}
	}
	if depth > 0 {
		p.fail()
	}
}

func (p *graphParser) directives() {
	for p.skip('@') && p.node(0) {
		p.name()
		p.arguments(1)
	}
}

func (p *graphParser) arguments(depth int) (args []graphArgument) {
	if !p.skip('(') {
		return nil
	}
	for p.kind == graphName {
		name := p.name()
		p.want(':')
		args = append(args, graphArgument{name: name, value: p.value(depth)})
	}
	if len(args) == 0 {
		p.fail()
	}
	p.want(')')
	return args
}

func (p *graphParser) selectionSet(depth int) (set []graphSelection) {
	p.want('{')
	for !p.is('}') && p.node(depth) {
		var f graphSelection
		if p.skip('.') { // all three
			switch {
			case p.kind == graphName && p.text != "on":
				f.spread = p.name()
				p.directives()
				set = append(set, f)
				continue
			case p.kind == graphName:
				p.next()
				p.name()
			}
			p.directives()
			f.selections = p.selectionSet(depth + 1)
		} else {
			f.name = p.name()
			if p.skip(':') { // that was an alias
				f.name = p.name()
			}
			f.arguments = p.arguments(depth)
			p.directives()
			if p.is('{') {
				f.selections = p.selectionSet(depth + 1)
			}
		}
		set = append(set, f)
	}
	if len(set) == 0 {
		p.fail()
	}
	p.want('}')
	return set
}

func (p *graphParser) value(depth int) (v graphNode) {
	if !p.node(depth) {
		return v
	}
	v.text = p.text
	switch {
	case p.kind == graphString:
		v.scalar = Text
	case p.kind == graphNumber:
		v.scalar = Number
	case p.kind == graphName:
		switch p.text {
		case "true", "false":
			v.scalar = Bool
		case "null":
			v.scalar, v.text = Null, ""
		}
	case p.is('$'):
		p.next()
		return graphNode{kind: graphVariable, text: p.name()}
	case p.is('['):
		v.kind = graphList
		for p.next(); !p.is(']') && !p.bad; {
			v.items = append(v.items, graphArgument{value: p.value(depth + 1)})
		}
	case p.is('{'):
		v.kind = graphObject
		for p.next(); !p.is('}') && !p.bad; {
			name := p.name()
			p.want(':')
			v.items = append(v.items, graphArgument{name: name, value: p.value(depth + 1)})
		}
	default:
		p.fail()
		return v
	}
	p.next()
	return v
}

// next takes the next token in hand.
func (p *graphParser) next() {
	p.space()
	if p.i >= len(p.s) {
		p.kind, p.text = graphEnd, ""
		return
	}
	start := p.i
	switch c := p.s[p.i]; {
	case isNameStart(c):
		for p.i < len(p.s) && (isNameStart(p.s[p.i]) || isDigit(p.s[p.i])) {
			p.i++
		}
		p.kind, p.text = graphName, p.s[start:p.i]
	case isDigit(c), c == '-':
		p.number()
	case c == '"':
		p.quoted()
	case c == '.':
		if !strings.HasPrefix(p.s[p.i:], "...") {
			p.fail()
			return
		}
		p.i += 3
		p.kind, p.text = graphPunctuator, "..."
	case strings.IndexByte("!$&():=@[]{|}", c) >= 0:
		p.i++
		p.kind, p.text = graphPunctuator, p.s[start:p.i]
	default:
		p.fail()
	}
}

// space passes what has no meaning: space, commas, comments, byte order marks.
func (p *graphParser) space() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == ' ', c == '\t', c == '\n', c == '\r', c == ',':
			p.i++
		case c == '#':
			if n := strings.IndexAny(p.s[p.i:], "\r\n"); n >= 0 {
				p.i += n
			} else {
				p.i = len(p.s)
			}
		case strings.HasPrefix(p.s[p.i:], "\uFEFF"):
			p.i += len("\uFEFF")
		default:
			return
		}
	}
}

// number reads a number; a name or a point may not follow at once.
func (p *graphParser) number() {
	n, ok := jsonlex.Number(p.s, p.i)
	if !ok || n < len(p.s) && (isNameStart(p.s[n]) || p.s[n] == '.' || isDigit(p.s[n])) {
		p.fail()
		return
	}
	p.kind, p.text = graphNumber, p.s[p.i:n]
	p.i = n
}

// quoted reads a string or a block string.
func (p *graphParser) quoted() {
	p.kind = graphString
	if body, ok := strings.CutPrefix(p.s[p.i:], `"""`); ok {
		for from := 0; ; {
			n := strings.Index(body[from:], `"""`)
			if n < 0 {
				p.fail()
				return
			}
			if n += from; n == 0 || body[n-1] != '\\' {
				p.i += n + 6
				p.text = strings.TrimSpace(strings.ReplaceAll(body[:n], `\"""`, `"""`))
				return
			}
			from = n + 3
		}
	}
	start, decode, escaped := p.i+1, true, false
	for i := start; i < len(p.s) && p.s[i] != '\n' && p.s[i] != '\r'; i++ {
		switch p.s[i] {
		case '"':
			p.i = i + 1
			if p.text = p.s[start:i]; escaped && decode {
				p.text = decodeText(p.text, MaxValue)
			}
			return
		case '\\':
			// The escape \u{1F600} is of GraphQL alone; a text with it stays as it is.
			escaped = true
			decode = decode && jsonlex.EscapeLen(p.s, i) > 0
			i++
		}
	}
	p.fail()
}

func isNameStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' && c < utf8.RuneSelf }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
