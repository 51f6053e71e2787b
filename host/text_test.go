package host_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// requireText checks that a text that came from a guest can be stored and
// printed, and is no longer than it may be.
func requireText(t testing.TB, most int, text string) {
	t.Helper()
	require.LessOrEqual(t, len(text), most)
	require.True(t, utf8.ValidString(text), "%.200q", text)
	require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.IsControl(r)
	}), "%.200q", text)
}
