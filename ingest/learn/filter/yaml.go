package filter

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The limits of a document.
const (
	// MaxDocument is its length in bytes.
	MaxDocument = 32 << 10
	// MaxNodes is how many scalars, lists and maps it may have.
	MaxNodes = 4000
	// MaxDepth is how deep they may be nested.
	MaxDepth = 32
)

// An AdvancedError says what is wrong with a document, and where.
type AdvancedError struct {
	Line, Column int    // from 1; 0 if unknown
	Field        string // as "filter.or[1].request_headers.for_one"; empty for the document
	Reason       string
}

// Error gives all of it.
func (e *AdvancedError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "%s: ", e.Field)
	}
	b.WriteString(e.Reason)
	return b.String()
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	listNode
	mapNode
)

// A node is a part of a YAML document.
type node struct {
	kind      nodeKind
	text      string // of a scalar
	items     []node // of a list, and the values of a map
	keys      []node // of a map, scalars
	field     string
	line, col int
	name      *node // the key of a member
}

// failName is fail with the place of the name of a member.
func (n *node) failName(format string, args ...any) error {
	at := *n
	if n.name != nil {
		at.line, at.col = n.name.line, n.name.col
	}
	return at.fail(format, args...)
}

func (n *node) fail(format string, args ...any) error {
	return &AdvancedError{Line: n.line, Column: n.col, Field: n.field, Reason: fmt.Sprintf(format, args...)}
}

// get gives a member of a map.
func (n *node) get(key string) *node {
	for i := range n.keys {
		if n.keys[i].text == key {
			return &n.items[i]
		}
	}
	return nil
}

// parseYAML reads one document without anchors, aliases, tags and merge keys:
// with these a short document can stand for one without end.
func parseYAML(doc []byte) (root node, err error) {
	if err := checkShape(doc); err != nil {
		return node{}, err
	}
	// A bug in the parser must cost one document only.
	defer func() {
		if p := recover(); p != nil {
			root, err = node{}, &AdvancedError{Reason: "not YAML"}
		}
	}()
	file, err := parser.ParseBytes(doc, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil {
			p := syntax.Token.Position
			return node{}, &AdvancedError{Line: p.Line, Column: p.Column, Reason: "not YAML: " + syntax.Message}
		}
		return node{}, &AdvancedError{Reason: "not YAML"}
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return node{}, &AdvancedError{Line: 1, Column: 1, Reason: "want one YAML document that is not empty"}
	}
	c := converter{}
	return c.node(file.Docs[0].Body, "", 0)
}

// checkShape refuses what is too large for the parser: it takes time and memory in
// proportion to the square of the depth, and has no limit of its own.
func checkShape(doc []byte) error {
	if len(doc) > MaxDocument {
		return &AdvancedError{Reason: fmt.Sprintf("%d bytes, want at most %d", len(doc), MaxDocument)}
	}
	if !utf8.Valid(doc) {
		return &AdvancedError{Reason: "not UTF-8"}
	}
	flow, number := 0, 0
	for line := range bytes.Lines(doc) {
		number++
		deep := 0
		for rest := bytes.TrimLeft(line, " \t"); len(rest) > 1 && (rest[0] == '-' || rest[0] == '?' || rest[0] == ':') && (rest[1] == ' ' || rest[1] == '\t'); {
			rest = bytes.TrimLeft(rest[1:], " \t")
			deep++
		}
		for i, b := range line {
			switch b {
			case '[', '{':
				flow++
			case ']', '}':
				flow = max(0, flow-1)
			case '&', '*', '!':
				// Anchors and tags nest too: "&a &b &c".
				if i == 0 || line[i-1] == ' ' {
					deep++
				}
			}
			if flow > 2*MaxDepth || deep > MaxDepth {
				return &AdvancedError{Line: number, Column: i + 1, Reason: fmt.Sprintf("nested too deep, want at most %d", MaxDepth)}
			}
		}
	}
	return nil
}

type converter struct {
	nodes int
}

func (c *converter) node(n ast.Node, field string, depth int) (node, error) {
	out := node{field: field}
	out.line, out.col = position(n)
	if c.nodes++; c.nodes > MaxNodes {
		return out, out.fail("more than %d scalars, lists and maps", MaxNodes)
	}
	if depth > MaxDepth {
		return out, out.fail("nested too deep, want at most %d", MaxDepth)
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return out, nil
	case *ast.StringNode:
		out.kind, out.text = scalarNode, n.Value
		return out, nil
	case *ast.LiteralNode:
		out.kind, out.text = scalarNode, strings.TrimRight(n.Value.Value, "\n")
		return out, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = scalarNode, n.GetToken().Value
		return out, nil
	case *ast.SequenceNode:
		out.kind = listNode
		for i, v := range n.Values {
			item, err := c.node(v, fmt.Sprintf("%s[%d]", field, i), depth+1)
			if err != nil {
				return out, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case *ast.MappingNode:
		out.kind = mapNode
		for _, v := range n.Values {
			if err := c.member(&out, v, depth); err != nil {
				return out, err
			}
		}
		return out, nil
	case *ast.MappingValueNode:
		out.kind = mapNode
		return out, c.member(&out, n, depth)
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return out, out.fail("anchors, aliases and merge keys are not supported")
	case *ast.TagNode:
		return out, out.fail("tags are not supported")
	default:
		return out, out.fail("%s is not supported", strings.ToLower(n.Type().String()))
	}
}

// position is where a node begins: for a map in block style the parser names its
// first colon.
func position(n ast.Node) (line, col int) {
	switch m := n.(type) {
	case nil:
		return 0, 0
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return position(m.Values[0])
		}
	case *ast.MappingValueNode:
		if m.Key != nil {
			return position(m.Key)
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 0, 0
}

func (c *converter) member(m *node, n *ast.MappingValueNode, depth int) error {
	key, err := c.node(n.Key, m.field, depth+1)
	if err != nil {
		return err
	}
	if key.kind != scalarNode || key.text == "" {
		return key.fail("want a name before the colon")
	}
	if len(key.text) > 200 {
		return key.fail("a name of %d bytes, want at most 200", len(key.text))
	}
	if m.get(key.text) != nil {
		return key.fail("%q is there twice", key.text)
	}
	field := key.text
	if m.field != "" {
		field = m.field + "." + key.text
	}
	value, err := c.node(n.Value, field, depth+1)
	if err != nil {
		return err
	}
	if value.line == 0 || value.kind == nullNode {
		value.line, value.col = key.line, key.col
	}
	value.name = &key
	m.keys, m.items = append(m.keys, key), append(m.items, value)
	return nil
}
