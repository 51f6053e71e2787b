package languages_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(text, &value), "%s", text)
	return value
}

// TestDraws: what an attempt draws is its own, though it may begin from a state that
// others have begun from. What was drawn before may be the same (docs/abi.md), which
// the test only tells.
func TestDraws(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dir          string
		load         func(*testing.T, string) *guest
		names, early []string
	}{
		{"draws-rust", load, []string{"hash", "order"}, nil},
		{"draws-rust-early", load, []string{"hash"}, nil}, // once more in each attempt
		{"draws-c-entropy", load, []string{"entropy"}, []string{"token"}},
		{"draws-assemblyscript", load, []string{"random"}, nil},
		{"draws-assemblyscript-early", load, nil, []string{"token", "random"}},
		{"draws-go-rand", loadGo, []string{"rand", "hash", "order"}, []string{"token"}},
		{"draws-go-crypto", loadGo, []string{"read"}, []string{"token"}},
	} {
		t.Run(test.dir, func(t *testing.T) {
			t.Parallel()
			g := test.load(t, "../testdata/"+test.dir)
			require.Len(t, g.index, len(test.names)+len(test.early))
			for _, name := range slices.Concat(test.names, test.early) {
				var seen []any
				for range 3 {
					value := decoded(t, succeed(t, g.attempt(t, name, "{}")).Output)
					if slices.Contains(test.early, name) {
						t.Logf("%s: %v", name, value)
					} else {
						require.NotContains(t, seen, value, name)
					}
					seen = append(seen, value)
				}
			}
		})
	}
}

// TestDrawsTime knows what the C library makes of a second.
func TestDrawsTime(t *testing.T) {
	t.Parallel()
	before := time.Now().Unix() // attempts may begin from the state of an earlier second
	g := load(t, "../testdata/draws-c-srand")
	out := succeed(t, g.attempt(t, "rand", "{}"))
	var could [][]uint32
	for second := before; second <= time.Now().Unix(); second++ {
		state, numbers := uint64(uint32(second)-1), []uint32(nil)
		for range 3 {
			state = 6364136223846793005*state + 1
			numbers = append(numbers, uint32(state>>33))
		}
		could = append(could, numbers)
	}
	var got []uint32
	require.NoError(t, json.Unmarshal(out.Output, &got))
	require.True(t, slices.ContainsFunc(could, func(numbers []uint32) bool { return slices.Equal(numbers, got) }), "%v, not one of %v", got, could)
}

// TestFuelIsTheSame holds that an attempt counts the same work whenever it does the
// same, in each language.
func TestFuelIsTheSame(t *testing.T) {
	t.Parallel()
	for _, l := range languages {
		attempt := load(t, "../testdata/sdk-"+l.name).attempt(t, "string", `"the same"`)
		attempt.Limits = host.Limits{}
		want := succeed(t, attempt).Usage.Fuel
		require.Positive(t, want)
		require.Equal(t, want, succeed(t, attempt).Usage.Fuel, l.name)
	}
}
