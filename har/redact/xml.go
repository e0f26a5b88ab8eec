package redact

import (
	"html"
	"strings"
)

// An xmlRewriter copies an XML document with its texts and attributes replaced.
// Where everything is hidden comments, processing instructions and document type
// go as well.
type xmlRewriter struct {
	w    *worker
	s    string
	i    int
	out  strings.Builder
	open []xmlElement
	text []byte // of the element at hand since the last tag, where it is hidden
	seen bool   // the root
	safe int    // the length of out after the last tag
}

type xmlElement struct {
	name  string
	scope scope
	arena int // what of the arena is not of the element
}

// xml rewrites a document. One that is not well formed is cut where it stops
// being so, or hidden as a whole if everything is.
func (w *worker) xml(s string) (string, bool) {
	x := xmlRewriter{w: w, s: s}
	mark := len(w.arena)
	defer func() { w.arena = w.arena[:mark] }()
	if !x.document() {
		if w.r.all {
			return Mask, s != Mask
		}
		out := x.out.String()[:x.safe] + Mask
		return out, out != s
	}
	out := x.out.String()
	return out, out != s
}

func (x *xmlRewriter) document() bool {
	for x.i < len(x.s) {
		n := strings.IndexByte(x.s[x.i:], '<')
		if n < 0 {
			if n = len(x.s) - x.i; len(x.open) > 0 {
				return false // a text that is cut may be half a secret
			}
		}
		if !x.chars(x.s[x.i:x.i+n], false) {
			return false
		}
		if x.i += n; x.i == len(x.s) {
			break
		}
		rest := x.s[x.i:]
		before := x.out.Len()
		var ok bool
		switch {
		case strings.HasPrefix(rest, "<!--"):
			ok = x.aside("<!--", "-->", x.here().hide)
		case strings.HasPrefix(rest, "<![CDATA["):
			ok = x.cdata(rest)
		case strings.HasPrefix(rest, "<?"):
			ok = x.aside("<?", "?>", x.w.r.all && !strings.HasPrefix(rest, "<?xml "))
		case strings.HasPrefix(rest, "<!"):
			ok = x.doctype(rest)
		case strings.HasPrefix(rest, "</"):
			x.flush()
			ok = x.endTag(rest)
		default:
			x.flush()
			ok = x.startTag()
		}
		if !ok {
			return false
		}
		// Texts are left out: another one, or the mask, may follow.
		if len(x.text) == 0 && x.out.Len() > before && !strings.HasPrefix(rest, "<![") {
			x.safe = x.out.Len()
		}
	}
	return x.seen && len(x.open) == 0
}

func (x *xmlRewriter) here() scope {
	if n := len(x.open); n > 0 {
		return x.open[n-1].scope
	}
	return x.w.top()
}

// chars takes text of the element at hand; raw says that it has no entities.
func (x *xmlRewriter) chars(s string, raw bool) bool {
	core := strings.Trim(s, " \t\r\n\uFEFF")
	if core == "" {
		if !raw {
			x.space(s)
		}
		return true
	}
	if len(x.open) == 0 {
		return false
	}
	v := core
	if !raw {
		v = html.UnescapeString(core)
	}
	if sc := x.here(); sc.hide {
		if len(x.text) == 0 && !raw {
			lead, _, _ := strings.Cut(s, core)
			x.out.WriteString(lead)
		}
		x.text = append(x.text, v...)
		return true
	} else if out, ok := x.w.text(sc, v); ok {
		lead, trail, _ := strings.Cut(s, core)
		x.out.WriteString(lead + xmlEscaper.Replace(out) + trail)
		return true
	}
	if raw {
		s = "<![CDATA[" + s + "]]>"
	}
	x.out.WriteString(s)
	return true
}

// space copies white space, but none within a hidden text.
func (x *xmlRewriter) space(s string) {
	if len(x.text) == 0 {
		x.out.WriteString(s)
	}
}

// flush writes what stands for a hidden text, which comments and sections may
// have divided.
func (x *xmlRewriter) flush() {
	if len(x.text) > 0 {
		x.out.WriteString(x.w.mask(string(x.text)))
		x.text = x.text[:0]
	}
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

func (x *xmlRewriter) cdata(rest string) bool {
	n := strings.Index(rest, "]]>")
	if n < 0 || len(x.open) == 0 {
		return false
	}
	s := rest[len("<![CDATA["):n]
	x.i += n + 3
	if strings.TrimSpace(s) == "" {
		if !x.here().hide {
			x.out.WriteString(rest[:n+3])
		}
		return true
	}
	return x.chars(s, true)
}

// aside takes a comment or a processing instruction.
func (x *xmlRewriter) aside(from, to string, drop bool) bool {
	rest := x.s[x.i+len(from):]
	n := strings.Index(rest, to)
	if n < 0 {
		return false
	}
	all := x.s[x.i : x.i+len(from)+n+len(to)]
	x.i += len(all)
	if drop {
		return true
	}
	if from == "<!--" {
		if _, ok := x.w.text(x.here(), strings.TrimSpace(rest[:n])); ok {
			return true
		}
	}
	x.out.WriteString(all)
	return true
}

// doctype takes a declaration of the document type, with what is in brackets.
func (x *xmlRewriter) doctype(rest string) bool {
	if len(x.open) > 0 {
		return false
	}
	brackets := 0
	var quote byte
	for i := range len(rest) {
		switch c := rest[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			brackets++
		case c == ']':
			brackets--
		case c == '>' && brackets <= 0:
			if !x.w.r.all {
				x.out.WriteString(rest[:i+1])
			}
			x.i += i + 1
			return true
		}
	}
	return false
}

func (x *xmlRewriter) endTag(rest string) bool {
	n := strings.IndexByte(rest, '>')
	last := len(x.open) - 1
	if n < 0 || last < 0 || strings.TrimRight(rest[2:n], " \t\r\n") != x.open[last].name {
		return false
	}
	x.out.WriteString(rest[:n+1])
	x.i += n + 1
	x.close()
	return true
}

func (x *xmlRewriter) close() {
	last := len(x.open) - 1
	x.w.arena = x.w.arena[:x.open[last].arena]
	x.open = x.open[:last]
}

func (x *xmlRewriter) startTag() bool {
	start := x.i
	x.i++
	name := x.name()
	if name == "" || len(x.open) == 0 && x.seen {
		return false
	}
	x.seen = true
	e := xmlElement{name: name, arena: len(x.w.arena), scope: x.here()}
	local := name[strings.LastIndexByte(name, ':')+1:]
	if depth := len(x.open); depth == 0 || depth == 1 && strings.EqualFold(local, "body") {
		e.scope = x.w.top() // neither root nor body is a member
		e.scope.key = local
	} else {
		e.scope = x.w.enter(e.scope, local)
	}
	x.open = append(x.open, e)
	x.out.WriteString(x.s[start:x.i])
	for {
		from := x.i
		x.blank()
		x.out.WriteString(x.s[from:x.i])
		switch rest := x.s[x.i:]; {
		case rest == "":
			return false
		case rest[0] == '>':
			x.i++
			x.out.WriteByte('>')
			return true
		case strings.HasPrefix(rest, "/>"):
			x.i += 2
			x.out.WriteString("/>")
			x.close()
			return true
		case x.i == from || !x.attribute(e.scope):
			return false
		}
	}
}

func (x *xmlRewriter) blank() {
	for x.i < len(x.s) && strings.IndexByte(" \t\r\n", x.s[x.i]) >= 0 {
		x.i++
	}
}

func (x *xmlRewriter) name() string {
	start := x.i
	for x.i < len(x.s) && strings.IndexByte(" \t\r\n<>/=\"'&;!?", x.s[x.i]) < 0 {
		x.i++
	}
	return x.s[start:x.i]
}

// attribute takes an attribute; the names of namespaces stay, without which the
// rest has no meaning.
func (x *xmlRewriter) attribute(sc scope) bool {
	start := x.i
	name := x.name()
	x.blank()
	if name == "" || x.i == len(x.s) || x.s[x.i] != '=' {
		return false
	}
	x.i++
	x.blank()
	if x.i == len(x.s) || x.s[x.i] != '"' && x.s[x.i] != '\'' {
		return false
	}
	quote := x.s[x.i]
	x.i++
	n := strings.IndexByte(x.s[x.i:], quote)
	if n < 0 {
		return false
	}
	v := x.s[x.i : x.i+n]
	if strings.IndexByte(v, '<') >= 0 {
		return false
	}
	x.out.WriteString(x.s[start:x.i])
	x.i += n + 1
	if name != "xmlns" && !strings.HasPrefix(name, "xmlns:") {
		mark := len(x.w.arena)
		if out, ok := x.w.text(x.w.enter(sc, name[strings.LastIndexByte(name, ':')+1:]), html.UnescapeString(v)); ok {
			v = xmlEscaper.Replace(out)
		}
		x.w.arena = x.w.arena[:mark]
	}
	x.out.WriteString(v)
	x.out.WriteByte(quote)
	return true
}
