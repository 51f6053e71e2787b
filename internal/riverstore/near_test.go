package riverstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"same", "same", 0},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"resize", "resise", 1},
		{"resize", "rezise", 2},
		{"ab", "ba", 2},
		{"thumbs.resize", "thumbs.rsize", 1},
		{"abc", "xyz", 3},
	} {
		require.Equal(t, test.want, distance(test.a, test.b), "%q to %q", test.a, test.b)
		require.Equal(t, test.want, distance(test.b, test.a), "%q to %q", test.b, test.a)
	}
}

func TestNear(t *testing.T) {
	names := []string{"reports.sales", "thumbs.clean", "thumbs.resize", "demo.echo", "a"}
	for name, want := range map[string][]string{
		"thumbs.rezise":  {"thumbs.resize"},
		"thumb.resize":   {"thumbs.resize"},
		"thumbs.clea":    {"thumbs.clean"},
		"THUMBS.RESIZE":  nil,
		"report.sale":    {"reports.sales"},
		"demo.ecoh":      {"demo.echo"},
		"something.else": nil,
		"b":              {"a"},
	} {
		require.Equal(t, want, near(name, names), name)
	}
	require.Empty(t, near("anything", nil))
}

func TestNearGivesTheLikeliestThree(t *testing.T) {
	require.Equal(t,
		[]string{"task", "tasa", "tasb"},
		near("task", []string{"tass1", "tasb", "tasd", "task", "tasa", "tasc"}),
		"by distance, and then by name")
}

func TestNearOfLongNames(t *testing.T) {
	long := strings.Repeat("a", 100)
	require.Equal(t, []string{long}, near(strings.Repeat("b", 33)+long[33:], []string{long}), "a third may be wrong")
	require.Empty(t, near(strings.Repeat("b", 34)+long[34:], []string{long}))
}
