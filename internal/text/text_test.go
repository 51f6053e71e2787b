package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/text"
)

func TestCut(t *testing.T) {
	for name, test := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"short":         {"abc", 20, "abc"},
		"exact":         {strings.Repeat("a", 20), 20, strings.Repeat("a", 20)},
		"long":          {strings.Repeat("a", 30), 20, strings.Repeat("a", 11) + "… (cut)"},
		"in a rune":     {strings.Repeat("é", 30), 20, strings.Repeat("é", 5) + "… (cut)"},
		"invalid, NUL":  {"a\xffb\x00c", 20, "a\uFFFDb\uFFFDc"},
		"grows too far": {strings.Repeat("\x00", 20), 20, strings.Repeat("\uFFFD", 3) + "… (cut)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := text.Cut(test.in, test.limit)
			require.Equal(t, test.want, got)
			require.LessOrEqual(t, len(got), test.limit)
			require.True(t, utf8.ValidString(got))
		})
	}
}

func TestLine(t *testing.T) {
	require.Equal(t, "a b c\uFFFD[31m", text.Line("a\nb\tc\x1b[31m"))
}
