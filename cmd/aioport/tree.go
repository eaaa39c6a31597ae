package main

// The syntax tree of a Python file, as Python's own parser reads it.

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed dump.py
var dumpScript string

// node is a node of package ast of Python. A field is a *node, a list, or a value.
type node struct {
	kind      string
	line, col int
	parent    *node
	fields    []field
}

type field struct {
	name  string
	value any // *node, []any, string, bool, number or nil
}

// number is a number of the source.
type number struct {
	text    string
	isFloat bool
}

// file is a parsed file.
type file struct {
	name     string
	module   *node
	comments map[int]string // by line
}

// parse parses the files with the Python at path. With an error it returns the files
// that could be parsed.
func parse(ctx context.Context, python string, names []string) ([]*file, error) {
	cmd := exec.CommandContext(ctx, python, append([]string{"-c", dumpScript}, names...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", python, err, &stderr)
	}
	var files []*file
	var failed error
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for _, name := range names {
		if !lines.Scan() {
			return nil, fmt.Errorf("%s printed no tree for %s: %s", python, name, &stderr)
		}
		var answer struct {
			Tree     json.RawMessage
			Comments [][2]any
			Error    string
		}
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			return nil, err
		}
		if answer.Error != "" {
			failed = errors.Join(failed, errors.New(answer.Error))
			continue
		}
		var raw any
		if err := json.Unmarshal(answer.Tree, &raw); err != nil {
			return nil, err
		}
		f := &file{name: name, comments: map[int]string{}}
		f.module = build(raw, nil).(*node)
		for _, c := range answer.Comments {
			f.comments[int(c[0].(float64))] = c[1].(string)
		}
		files = append(files, f)
	}
	return files, failed
}

// build makes the tree from the form that dump.py prints.
func build(raw any, parent *node) any {
	switch raw := raw.(type) {
	case []any:
		list := make([]any, len(raw))
		for i, element := range raw {
			list[i] = build(element, parent)
		}
		return list
	case map[string]any:
		if text, ok := raw["float"].(string); ok {
			return number{text, true}
		}
		if text, ok := raw["int"].(string); ok {
			return number{text, false}
		}
		parts, ok := raw["node"].([]any)
		if !ok {
			return nil // bytes, complex numbers, the ellipsis
		}
		n := &node{kind: parts[0].(string), line: int(parts[1].(float64)), col: int(parts[2].(float64)), parent: parent}
		for _, f := range parts[3].([]any) {
			pair := f.([]any)
			n.fields = append(n.fields, field{pair[0].(string), build(pair[1], n)})
		}
		return n
	}
	return raw
}

func (n *node) field(name string) any {
	if n != nil {
		for _, f := range n.fields {
			if f.name == name {
				return f.value
			}
		}
	}
	return nil
}

// child returns the node in a field, nil if there is none.
func (n *node) child(name string) *node {
	c, _ := n.field(name).(*node)
	return c
}

// children returns the nodes in a field that is a list.
func (n *node) children(name string) (nodes []*node) {
	list, _ := n.field(name).([]any)
	for _, e := range list {
		if c, ok := e.(*node); ok {
			nodes = append(nodes, c)
		}
	}
	return nodes
}

// text returns the string in a field.
func (n *node) text(name string) string {
	s, _ := n.field(name).(string)
	return s
}

// is reports whether n is of one of the kinds.
func (n *node) is(kinds ...string) bool {
	if n == nil {
		return false
	}
	for _, k := range kinds {
		if n.kind == k {
			return true
		}
	}
	return false
}

// around returns the innermost node around n that is of one of the kinds.
func (n *node) around(kinds ...string) *node {
	for p := n.parent; p != nil; p = p.parent {
		if p.is(kinds...) {
			return p
		}
	}
	return nil
}

var functions = []string{"FunctionDef", "AsyncFunctionDef", "Lambda"}

// function returns the function that n is in, nil for module level.
func (n *node) function() *node { return n.around(functions...) }

// walk calls visit for n and the nodes in it, in the order of the source. If visit
// returns false, the nodes inside are left out.
func (n *node) walk(visit func(*node) bool) {
	if n == nil || !visit(n) {
		return
	}
	for _, f := range n.fields {
		switch v := f.value.(type) {
		case *node:
			v.walk(visit)
		case []any:
			for _, e := range v {
				if c, ok := e.(*node); ok {
					c.walk(visit)
				}
			}
		}
	}
}

// has reports whether a node of one of the kinds is among nodes or in them, without the
// functions inside them.
func has(nodes []*node, kinds ...string) bool { return find(nodes, kinds...) != nil }

// find returns the first node that has reports.
func find(nodes []*node, kinds ...string) (found *node) {
	for _, n := range nodes {
		n.walk(func(c *node) bool {
			if found == nil && c.is(kinds...) {
				found = c
			}
			return found == nil && !c.is(functions...) && !c.is("ClassDef")
		})
	}
	return found
}

// source returns an expression as text: names, attributes and subscripts as they are
// written, and "" for what is not made of these.
func (n *node) source() string {
	switch {
	case n.is("Name"):
		return n.text("id")
	case n.is("Attribute"):
		if of := n.child("value").source(); of != "" {
			return of + "." + n.text("attr")
		}
	case n.is("Subscript"):
		if of := n.child("value").source(); of != "" {
			return of + "[" + n.child("slice").source() + "]"
		}
	case n.is("Tuple"):
		var parts []string
		for _, e := range n.children("elts") {
			parts = append(parts, e.source())
		}
		return strings.Join(parts, ", ")
	case n.is("Constant"):
		switch v := n.field("value").(type) {
		case string:
			return v
		case nil:
			return "None"
		}
	case n.is("BinOp") && n.child("op").is("BitOr"):
		return n.child("left").source() + " | " + n.child("right").source()
	}
	return ""
}

// isNone reports whether n is the constant None. Bytes and the ellipsis, which have no
// value here, do not count: they are not numbers either.
func (n *node) isNone() bool {
	if !n.is("Constant") {
		return false
	}
	for _, f := range n.fields {
		if f.name == "value" {
			return f.value == nil
		}
	}
	return false
}

// argument returns the positional or named argument of a call, nil if it is not given.
// at is negative for an argument that must be named.
func (n *node) argument(at int, name string) *node {
	args := n.children("args")
	for i, a := range args {
		if a.is("Starred") {
			args = args[:i]
			break
		}
	}
	if at >= 0 && at < len(args) {
		return args[at]
	}
	for _, k := range n.children("keywords") {
		if k.text("arg") == name {
			return k.child("value")
		}
	}
	return nil
}
