package jobfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// Limits of a job file. The parser recurses for each level, and the deepest key of a
// job is on the fourth.
const (
	maxDepth  = 32
	maxTokens = 200_000
	// The scanner returns a line at a time, and its tokens need some hundred times the
	// memory of the line.
	maxLine = 64 << 10
)

// kind is the kind of a node of a job file.
type kind int

const (
	nothing kind = iota // no value at all, or null
	scalar
	mapping
	sequence
)

// node is a value of a job file with its place. It contains nothing of the YAML
// library.
type node struct {
	kind         kind
	line, column int
	text         string // of a scalar, before references are replaced
	pairs        []pair // of a mapping, in the file's order
	items        []*node
}

// pair is a key with its value.
type pair struct {
	key          string
	line, column int
	value        *node
}

// readYAML reads the subset of YAML that a job file may use: one document of mappings,
// lists and scalars. It neither panics nor takes long, whatever data is. Problems quote
// nothing of the file.
func readYAML(data []byte) (*node, []Problem) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if p := checkText(data); p != nil {
		return nil, []Problem{*p}
	}
	tokens, problems := scan(string(data))
	if len(problems) > 0 {
		return nil, problems
	}
	if len(tokens) == 0 {
		return nil, []Problem{emptyFile}
	}
	file, err := parseTokens(tokens)
	if err != nil {
		return nil, []Problem{syntaxProblem(err, data)}
	}
	// scan accepts only one document.
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, []Problem{emptyFile}
	}
	c := converter{}
	root := c.node(file.Docs[0].Body)
	return root, c.problems
}

var emptyFile = Problem{What: "the file is empty", Hint: "a job is version, name, a portal's webhook and sink.url"}

// parseTokens calls the parser. It is large foreign code that parses any input. If it
// panics, the file cannot be read, but the program must not die.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errUnreadable
		}
	}()
	// Duplicate keys are found in the tree, together with all other problems.
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

var errUnreadable = errors.New("unreadable")

// checkText finds what cannot be part of a text file.
func checkText(data []byte) *Problem {
	line, column := 1, 1
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			return &Problem{Line: line, Column: column, What: "is not UTF-8 text"}
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0 && r != 0x85:
			return &Problem{Line: line, Column: column, What: fmt.Sprintf("has the control character %U", r)}
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		if column > maxLine {
			return &Problem{Line: line, Column: 1, What: fmt.Sprintf("the line has more than %d characters", maxLine)}
		}
		rest = rest[n:]
	}
	return nil
}

// refusedTokens are features of YAML that a job file may not use, so that its text
// means what it says.
var refusedTokens = map[token.Type]string{
	token.AnchorType:      "anchors (&name) are not allowed in a job file",
	token.AliasType:       "aliases (*name) are not allowed in a job file",
	token.MergeKeyType:    "merge keys (<<) are not allowed in a job file",
	token.TagType:         "tags (!name) are not allowed in a job file",
	token.DirectiveType:   "directives (%NAME) are not allowed in a job file",
	token.MappingKeyType:  "keys in the form of `? key` are not allowed in a job file",
	token.DocumentEndType: "a job file is one document: this ends it",
}

// scan splits the text into tokens. It refuses what no job file has before the parser,
// which recurses, sees it.
func scan(text string) (token.Tokens, []Problem) {
	var s scanner.Scanner
	s.Init(text)
	var tokens token.Tokens
	var problems []Problem
	depth := nesting{}
	begun := false
	for {
		some, err := s.Scan()
		for _, tk := range some {
			if tk.Type == token.InvalidType {
				return nil, append(problems, tokenProblem(tk, notYAML))
			}
			if rule, ok := refusedTokens[tk.Type]; ok && len(problems) < shownProblems {
				problems = append(problems, tokenProblem(tk, rule))
			}
			if tk.Type == token.DocumentHeaderType && begun {
				return nil, append(problems, tokenProblem(tk, "a job file is one document: this begins a second one"))
			}
			begun = begun || tk.Type != token.CommentType && tk.Type != token.DirectiveType
			if depth.take(tk) > maxDepth {
				return nil, append(problems, tokenProblem(tk, fmt.Sprintf("is nested more than %d deep", maxDepth)))
			}
		}
		tokens.Add(some...)
		switch {
		case len(tokens) > maxTokens:
			return nil, []Problem{{What: fmt.Sprintf("the file has more than %d words and signs; is it a job file?", maxTokens)}}
		case errors.Is(err, io.EOF):
			return tokens, problems
		case err != nil:
			return nil, append(problems, Problem{What: "is not YAML that can be read"})
		}
	}
}

// nesting computes the depth of a token from the previous tokens alone.
type nesting struct {
	flow    int
	columns []int // of the enclosing keys and dashes, ascending
}

func (n *nesting) take(tk *token.Token) int {
	switch tk.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow = max(0, n.flow-1)
	case token.SequenceEntryType, token.MappingValueType:
		column := tk.Position.Column
		if tk.Type == token.MappingValueType && tk.Prev != nil && tk.Prev.Position.Line == tk.Position.Line {
			column = tk.Prev.Position.Column
		}
		for len(n.columns) > 0 && n.columns[len(n.columns)-1] >= column {
			n.columns = n.columns[:len(n.columns)-1]
		}
		if n.flow == 0 {
			n.columns = append(n.columns, column)
		}
	}
	return n.flow + len(n.columns)
}

// tokenProblem returns a problem at a token.
func tokenProblem(tk *token.Token, rule string) Problem {
	if tk == nil || tk.Position == nil {
		return Problem{What: rule}
	}
	return Problem{Line: tk.Position.Line, Column: tk.Position.Column, What: rule}
}

// syntaxProblem returns a problem for an error of the parser. It does not use the
// parser's text, which may quote the file.
func syntaxProblem(err error, data []byte) Problem {
	e, ok := errors.AsType[*yaml.SyntaxError](err)
	if !ok {
		return Problem{What: notYAML}
	}
	p := tokenProblem(e.Token, notYAML)
	// The parser stops at the brace of ${NAME} only inside other braces or brackets.
	lines := bytes.Split(data, []byte("\n"))
	if p.Line > 0 && p.Line <= len(lines) {
		line := []rune(string(lines[p.Line-1]))
		if at := p.Column - 1; at > 0 && at < len(line) && string(line[at-1:at+1]) == "${" {
			p.What = "a reference inside { } or [ ] must be in quotes, as in \"${NAME}\""
		}
	}
	return p
}

// notYAML is the text of a problem where the parser has stopped. The parser's own
// message is not shown: it may quote the file, and so a secret, and it changes with
// each update.
const notYAML = "is not YAML: look at the indentation, the colons, the brackets and the quotes here and in the line above"
