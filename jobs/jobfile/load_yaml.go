package jobfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// What a job file may be made of. The parser calls itself for each level, and
// the deepest key of a job is on the fourth.
const (
	maxDepth  = 32
	maxTokens = 200_000
	// The scanner hands over a line at a time, and its tokens take some hundred
	// times the space of the line.
	maxLine = 64 << 10
)

// kind is what a node of a job file is.
type kind int

const (
	nothing kind = iota // no value at all, or null
	scalar
	mapping
	sequence
)

// node is a value of a job file with its place. Nothing of the YAML library is
// in it.
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

// readYAML reads the part of YAML that a job file may use: one document of
// mappings, lists and scalars. Whatever data is, it neither panics nor takes
// long. Problems quote nothing of the file.
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
		return nil, []Problem{syntaxProblem(err)}
	}
	// scan has let only one document pass.
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, []Problem{emptyFile}
	}
	c := converter{}
	root := c.node(file.Docs[0].Body)
	return root, c.problems
}

var emptyFile = Problem{Rule: "the file is empty", Hint: "a job is version, name, a portal's webhook and sink.url"}

// parseTokens runs the parser. It is a large piece of other people's code that
// works on whatever somebody wrote: a panic in it is a file that it cannot
// read, and no reason for this program to die.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errUnreadable
		}
	}()
	// Duplicate keys are found in the tree, with all other problems.
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
			return &Problem{Line: line, Column: column, Rule: "is not UTF-8 text"}
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0 && r != 0x85:
			return &Problem{Line: line, Column: column, Rule: fmt.Sprintf("has the control character %U", r)}
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		if column > maxLine {
			return &Problem{Line: line, Column: 1, Rule: fmt.Sprintf("the line has more than %d characters", maxLine)}
		}
		rest = rest[n:]
	}
	return nil
}

// refusedTokens are the parts of YAML that a job file does without, so that
// what stands in it is what it says.
var refusedTokens = map[token.Type]string{
	token.AnchorType:      "anchors (&name) are not allowed in a job file",
	token.AliasType:       "aliases (*name) are not allowed in a job file",
	token.MergeKeyType:    "merge keys (<<) are not allowed in a job file",
	token.TagType:         "tags (!name) are not allowed in a job file",
	token.DirectiveType:   "directives (%NAME) are not allowed in a job file",
	token.MappingKeyType:  "keys in the form of `? key` are not allowed in a job file",
	token.DocumentEndType: "a job file is one document: this ends it",
}

// scan cuts the text into tokens and refuses what no job file has, before the
// parser, which recurses, sees it.
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
				return nil, append(problems, tokenProblem(tk, sentence(tk.Error)))
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
			return nil, []Problem{{Rule: fmt.Sprintf("the file has more than %d words and signs; is it a job file?", maxTokens)}}
		case errors.Is(err, io.EOF):
			return tokens, problems
		case err != nil:
			return nil, append(problems, Problem{Rule: "is not YAML that can be read"})
		}
	}
}

// nesting counts how deep a token is, from the tokens before it alone.
type nesting struct {
	flow    int
	columns []int // of the keys and dashes around, ascending
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

// tokenProblem is a problem at a token.
func tokenProblem(tk *token.Token, rule string) Problem {
	if tk == nil || tk.Position == nil {
		return Problem{Rule: rule}
	}
	return Problem{Line: tk.Position.Line, Column: tk.Position.Column, Rule: rule}
}

// syntaxProblem is the parser's complaint in our words: its own ones may quote
// the file.
func syntaxProblem(err error) Problem {
	if e, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		return tokenProblem(e.Token, sentence(e.Message))
	}
	return Problem{Rule: sentence("")}
}

// sentences are what to tell for what the parser says, by the first part of it
// that is found.
var sentences = []struct{ part, ours string }{
	{"could not find end character of", "a quote is opened here and not closed"},
	{"tab character", "a tab stands where YAML wants spaces"},
	{"'\t'", "a tab stands where YAML wants spaces"},
	{"unknown escape character", "a \\ in double quotes is followed by a character that YAML does not know there; within single quotes it is only a \\"},
	{"UTF-16", "a \\u in double quotes is not followed by a character's number"},
	{"UTF-32", "a \\U in double quotes is not followed by a character's number"},
	{"surrogate", "a \\u in double quotes is not followed by a character's number"},
	{"is a reserved character", "a value cannot begin with @ or `: put it into quotes"},
	{"']' must be specified", "a , or ] is missing between the values of a list; within brackets, ${…} needs quotes"},
	{"'}' must be specified", "a , or } is missing between the keys in braces; within braces, ${…} needs quotes"},
	{"']' not found", "a [ is opened here and not closed"},
	{"end token '}'", "a { is opened here and not closed"},
	{"corresponding to ']'", "a ] closes what no [ has opened"},
	{"corresponding to '}'", "a } closes what no { has opened"},
	{"found ','", "a value is missing before the ,"},
	{"unexpected scalar value type", "a value is missing here"},
	{"could not find flow map content", "a key is missing here"},
	{"invalid header option", "behind a | or > there can only be a line break, or a comment"},
	{"mapping value is not allowed", "a second `key:` in one line; a value with a colon and a space in it needs quotes"},
	{"block sequence entries are not allowed", "a list cannot begin in the line of its key"},
	{"non-map value", "a line without `key:` among lines that have one; is a colon, or the space behind it, missing?"},
	{"map key-value is pre-defined", "belongs neither to the value before it nor to a key of its own; look at the quotes and the indentation"},
	{"value is not allowed in this context", "stands where no value can be; is it indented as the lines that it belongs to?"},
	{"implicit line break", "a key goes over several lines; is a colon, or the space behind it, missing?"},
	{"unexpected key name", "a line without `key:` among lines that have one; is a colon, or the space behind it, missing?"},
	{"invalid key", "a colon without a key before it; a list or a section cannot be a key"},
	{"could not find multi-line content", "the lines behind a | or > must be indented"},
	{"document separator", "a job file is one document: --- can only stand before it"},
}

// sentence is one line about a complaint of the parser, with nothing of the
// file in it.
func sentence(message string) string {
	for _, s := range sentences {
		if strings.Contains(message, s.part) {
			return s.ours
		}
	}
	return "is not YAML; look at the indentation, the colons and the quotes here and in the line above"
}
