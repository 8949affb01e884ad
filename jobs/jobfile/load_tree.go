package jobfile

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// converter converts the parser's tree to nodes.
type converter struct {
	problems []Problem
}

func (c *converter) node(from ast.Node) *node {
	n := &node{}
	if tk := from.GetToken(); tk != nil && tk.Position != nil {
		n.line, n.column = tk.Position.Line, tk.Position.Column
	}
	switch v := from.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		n.kind = mapping
		for _, p := range v.Values {
			c.pair(n, p)
		}
	case *ast.MappingValueNode:
		n.kind = mapping
		c.pair(n, v)
	case *ast.SequenceNode:
		n.kind = sequence
		for _, item := range v.Values {
			n.items = append(n.items, c.node(item))
		}
	case *ast.StringNode:
		n.kind, n.text = scalar, v.Value
	case *ast.LiteralNode:
		n.kind, n.text = scalar, v.Value.Value
	case ast.ScalarNode:
		// Numbers and words stay as written, because the key decides what they are.
		n.kind, n.text = scalar, v.GetToken().Value
	default:
		c.problems = append(c.problems, tokenProblem(from.GetToken(), notYAML))
	}
	return n
}

// pair adds a key and its value to a mapping, and sets the mapping's place to that of
// its first key.
func (c *converter) pair(n *node, from *ast.MappingValueNode) {
	tk := from.Key.GetToken()
	switch from.Key.(type) {
	case *ast.NullNode, *ast.MappingKeyNode:
		c.problems = append(c.problems, tokenProblem(tk, "a colon without a key before it"))
		return
	}
	p := pair{key: tk.Value, line: tk.Position.Line, column: tk.Position.Column, value: c.node(from.Value)}
	if len(n.pairs) == 0 {
		n.line, n.column = p.line, p.column
	}
	n.pairs = append(n.pairs, p)
}

// what describes a node's kind.
func (n *node) what() string {
	switch {
	case n == nil || n.kind == nothing:
		return "nothing"
	case n.kind == mapping:
		return "a section"
	case n.kind == sequence:
		return "a list"
	case strings.Contains(n.text, "\n"):
		return "a text of several lines"
	}
	return "a single value"
}
