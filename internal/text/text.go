// Package text makes strangers' text fit to store and to show.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Replacement stands for what could not be shown.
const Replacement = string(utf8.RuneError)

// Cut returns valid UTF-8 of at most limit bytes, without NUL, which databases do
// not take. What is cut is cut between characters, and marked.
func Cut(s string, limit int) string {
	const mark = "… (cut)"
	long := len(s) > limit
	if long {
		s = s[:limit]
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, Replacement), "\x00", Replacement)
	if !long && len(s) <= limit {
		return s
	}
	return between(s, max(limit-len(mark), 0)) + mark
}

// between shortens valid text between characters.
func between(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Line makes a text safe to print on one line of a terminal: control characters
// are replaced, line ends and tabs by spaces.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return utf8.RuneError
		default:
			return r
		}
	}, s)
}
