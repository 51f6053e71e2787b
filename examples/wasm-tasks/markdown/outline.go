package main

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/util"
)

// heading is a line of a table of contents.
type heading struct {
	// Level is from 1 to 6.
	Level int    `json:"level"`
	Text  string `json:"text"`
	// ID is what a link to the heading names, after a #.
	ID string `json:"id"`
}

// outline lists the headings of a page in their order.
func outline(page ast.Node, source []byte) []heading {
	headings := []heading{}
	visit(page, func(node ast.Node) {
		h, ok := node.(*ast.Heading)
		if !ok {
			return
		}
		one := heading{Level: h.Level, Text: plain(h, source)}
		if id, ok := h.AttributeString("id"); ok {
			one.ID = string(id.([]byte))
		}
		headings = append(headings, one)
	})
	return headings
}

// title is the text of the first heading of the highest level.
func title(headings []heading) string {
	best := heading{Level: 7}
	for _, h := range headings {
		if h.Level < best.Level {
			best = h
		}
	}
	return best.Text
}

// plain is the text of a node without its marks.
func plain(node ast.Node, source []byte) string {
	var b strings.Builder
	visit(node, func(node ast.Node) {
		switch n := node.(type) {
		case *ast.Text:
			value := n.Segment.Value(source)
			if !n.IsRaw() {
				value = util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(value)))
			}
			b.Write(value)
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
	})
	return b.String()
}

// visit calls f for a node and all below it, each before what is in it.
func visit(node ast.Node, f func(ast.Node)) {
	f(node)
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		visit(child, f)
	}
}
