// Command markdown is a task that renders Markdown to HTML. To see here is that a
// task may use any library that is pure Go; this one is goldmark, as it is. It is
// good work for a sandbox: a page from a stranger that keeps a parser busy for
// minutes (a megabyte of "> " does) ends with its own timeout or memory limit,
// and takes nothing with it. Push it and try it:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o markdown.wasm ./examples/wasm-tasks/markdown
//	taskhost module push markdown markdown.wasm
//	taskhost task enqueue markdown.render --args '{"markdown":"# Hello\n\nSome *text*."}' --wait
//
// Raw HTML, and links that run something, are left out unless the caller asks
// for them.
package main

import (
	"bytes"
	"fmt"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

func init() {
	guest.Handle("markdown.render", render, guest.Options{
		Description: "Renders Markdown to HTML.",
		MemoryBytes: 256 << 20, // a megabyte of text is a tree of many more
	})
}

func main() {}

type renderArgs struct {
	// Markdown is CommonMark.
	Markdown string `json:"markdown"`
	// GitHub adds what GitHub has: tables, task lists, strikethrough, and links
	// without brackets.
	GitHub bool `json:"github,omitempty"`
	// Unsafe keeps raw HTML and links of every kind. It is for text that the
	// caller has written: from a stranger, it would run in a reader's browser.
	Unsafe bool `json:"unsafe,omitempty"`
}

type page struct {
	HTML string `json:"html"`
	// Title is the text of the first heading of the highest level, or empty.
	Title    string    `json:"title"`
	Headings []heading `json:"headings"`
}

func render(ctx guest.Context, in renderArgs) (page, error) {
	source := []byte(in.Markdown)
	markdown := newMarkdown(in)
	tree := markdown.Parser().Parse(text.NewReader(source))
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, source, tree); err != nil {
		return page{}, fmt.Errorf("render the page: %w", err)
	}
	headings := outline(tree, source)
	ctx.Info("rendered", "from_bytes", len(source), "bytes", out.Len(), "headings", len(headings))
	return page{out.String(), title(headings), headings}, nil
}

func newMarkdown(in renderArgs) goldmark.Markdown {
	options := []goldmark.Option{goldmark.WithParserOptions(parser.WithAutoHeadingID())}
	if in.GitHub {
		options = append(options, goldmark.WithExtensions(extension.GFM))
	}
	if in.Unsafe {
		options = append(options, goldmark.WithRendererOptions(html.WithUnsafe()))
	}
	return goldmark.New(options...)
}
