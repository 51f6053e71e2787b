package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

func rendered(t *testing.T, in renderArgs) page {
	t.Helper()
	var out page
	require.NoError(t, guesttest.Run("markdown.render", in, guesttest.Task{}).Decode(&out))
	return out
}

func TestRender(t *testing.T) {
	t.Parallel()
	in := renderArgs{Markdown: "Intro\n\n## First & *last*\n\nSome `code`.\n\n# The `Title` \\* &lt;3\n\n## First & *last*\n"}
	result := guesttest.Run("markdown.render", in, guesttest.Task{})
	var out page
	require.NoError(t, result.Decode(&out))
	require.Equal(t, page{
		HTML: "<p>Intro</p>\n" +
			"<h2 id=\"first--last\">First &amp; <em>last</em></h2>\n" +
			"<p>Some <code>code</code>.</p>\n" +
			"<h1 id=\"the-title--lt3\">The <code>Title</code> * &lt;3</h1>\n" +
			"<h2 id=\"first--last-1\">First &amp; <em>last</em></h2>\n",
		Title: "The Title * <3",
		Headings: []heading{
			{2, "First & last", "first--last"},
			{1, "The Title * <3", "the-title--lt3"},
			{2, "First & last", "first--last-1"},
		},
	}, out)
	require.Equal(t, []guesttest.Line{{Level: "info", Message: "rendered", Fields: map[string]any{
		"from_bytes": float64(len(in.Markdown)), "bytes": float64(len(out.HTML)), "headings": 3.0,
	}}}, result.Logs)
}

func TestNothing(t *testing.T) {
	t.Parallel()
	for _, markdown := range []string{"", "\n\n", "# \n"} {
		require.Empty(t, rendered(t, renderArgs{Markdown: markdown}).Title, "%q", markdown)
	}
	require.Equal(t, page{Headings: []heading{}}, rendered(t, renderArgs{}), "a list that is empty, and not null")
}

// What a stranger writes must not run in a reader's browser.
func TestSafeUnlessAsked(t *testing.T) {
	t.Parallel()
	for markdown, unsafe := range map[string]string{
		"<script>alert(1)</script>\n":                   "<script>alert(1)</script>",
		"a <img src=x onerror=alert(1)> b":              "<img src=x onerror=alert(1)>",
		"[here](javascript:alert(1))":                   `href="javascript:alert(1)"`,
		"[here](JaVaScRiPt:alert(1))":                   `href="JaVaScRiPt:alert(1)"`,
		"![i](data:text/html;base64,PHNjcmlwdD4)":       `src="data:text/html;base64,PHNjcmlwdD4"`,
		"<javascript:alert(1)>":                         `href="javascript:alert(1)"`,
		"[here][1]\n\n[1]: vbscript:x \"t\"":            `href="vbscript:x"`,
		"# <b onclick=alert(1)>x</b>":                   "<b onclick=alert(1)>",
		"| a |\n|---|\n| <script>alert(1)</script> |\n": "<script>",
	} {
		for _, github := range []bool{false, true} {
			require.NotContains(t, rendered(t, renderArgs{Markdown: markdown, GitHub: github}).HTML, unsafe, markdown)
			require.Contains(t, rendered(t, renderArgs{Markdown: markdown, GitHub: github, Unsafe: true}).HTML, unsafe, markdown)
		}
	}
	require.Contains(t, rendered(t, renderArgs{Markdown: "a < b & \"c\" `<script>`"}).HTML, "a &lt; b &amp; &quot;c&quot; <code>&lt;script&gt;</code>")
	require.Contains(t, rendered(t, renderArgs{Markdown: `[x](https://example.com/?a="><script>)`}).HTML, `href="https://example.com/?a=%22%3E%3Cscript%3E"`)
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	const markdown = "| a | b |\n|---|--:|\n| 1 | ~~2~~ |\n\n- [x] done\n\nSee https://example.com/x.\n"
	plain := rendered(t, renderArgs{Markdown: markdown}).HTML
	github := rendered(t, renderArgs{Markdown: markdown, GitHub: true}).HTML
	for _, part := range []string{"<table>", "<del>2</del>", `type="checkbox"`, `<a href="https://example.com/x">`} {
		require.NotContains(t, plain, part)
		require.Contains(t, github, part)
	}
}

// Texts that are deep rather than long end like any other.
func TestDeepText(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"[", "![", "> ", "*a **b ", "<a ", "`", "- "} {
		rendered(t, renderArgs{Markdown: strings.Repeat(part, 5_000), GitHub: true})
	}
}

func TestArgumentsAreDeclared(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": "object",
		"properties": {"markdown": {"type": "string"}, "github": {"type": "boolean"}, "unsafe": {"type": "boolean"}},
		"required": ["markdown"],
		"additionalProperties": false
	}`, string(guesttest.Manifest().Definitions[0].Args))
}
