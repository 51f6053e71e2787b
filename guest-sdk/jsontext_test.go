package guest

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type city string

type point struct {
	X, Y   int
	Name   string `json:"name,omitempty"`
	Secret string `json:"-"`
	hidden int
}

type ring struct{ Next *ring }

func TestFieldValues(t *testing.T) {
	self := &ring{}
	self.Next = self
	for name, test := range map[string]struct {
		value any
		text  string
	}{
		"nil":             {nil, `null`},
		"bool":            {true, `true`},
		"string":          {"a\"b", `"a\"b"`},
		"named string":    {city("Oslo"), `"Oslo"`},
		"int":             {-3, `-3`},
		"uint8":           {uint8(200), `200`},
		"float":           {1.5, `1.5`},
		"large float":     {1e30, `1e+30`},
		"million":         {1234567.0, `1234567`},
		"float32":         {float32(0.1), `0.1`},
		"not a number":    {math.NaN(), `"NaN"`},
		"infinite":        {math.Inf(1), `"+Inf"`},
		"error":           {errors.New("no"), `"no"`},
		"duration":        {1500 * time.Millisecond, `"1.5s"`},
		"time":            {time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), `"2026-01-02T03:04:05Z"`},
		"text":            {netip.MustParseAddr("::1"), `"::1"`},
		"raw":             {json.RawMessage(`{"a":1}`), `{"a":1}`},
		"bytes":           {[]byte("hi"), `"aGk="`},
		"slice":           {[]int{1, 2}, `[1,2]`},
		"no slice":        {[]int(nil), `[]`},
		"array":           {[2]string{"a", "b"}, `["a","b"]`},
		"map":             {map[string]any{"b": 1, "a": []any{nil, city("x")}}, `{"a":[null,"x"],"b":1}`},
		"map of int":      {map[int]bool{2: true}, `{"2":true}`},
		"map of address":  {map[netip.Addr]int{netip.MustParseAddr("::1"): 1}, `{"::1":1}`},
		"map of duration": {map[time.Duration]int{time.Second: 1}, `{"1s":1}`},
		"struct":          {point{X: 1, Name: "p", Secret: "s", hidden: 1}, `{"X":1,"Y":0,"name":"p"}`},
		"pointer":         {&point{}, `{"X":0,"Y":0,"name":""}`},
		"nil pointer":     {(*point)(nil), `null`},
		"nil error":       {error(nil), `null`},
		"function":        {func(int) {}, `"func(int)"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := appendAny(nil, test.value)
			require.Equal(t, test.text, string(text))
			require.True(t, json.Valid(text))
		})
	}
	require.Contains(t, string(appendAny(nil, self)), `"(too deep)"`)
}

func TestFields(t *testing.T) {
	require.Empty(t, appendFields(nil, nil))
	require.Equal(t, `{"a":1}`, string(appendFields(nil, []any{"a", 1})))
	require.Equal(t, `{"a":1,"b":"x"}`, string(appendFields(nil, []any{"a", 1, "b", "x"})))
	require.Equal(t, `{"!BADKEY":"a"}`, string(appendFields(nil, []any{"a"})))
	require.Equal(t, `{"!BADKEY":1,"a":2}`, string(appendFields(nil, []any{1, "a", 2})))
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\t\r\x00\x1f\x7f", "é語🎈\u2028", "\xff\xc0\x80", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		require.NoError(t, json.Unmarshal(appendString(nil, s), &got))
		require.Equal(t, []rune(s), []rune(got), "what is not UTF-8 becomes U+FFFD, as in a conversion to runes")
	})
}

func FuzzTags(f *testing.F) {
	f.Add("", "", "", "")
	f.Add("team", "a b", "k", "")
	f.Add("é", "=", "z", "\n")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		text, want := "", map[string]string{}
		for _, tag := range [][2]string{{key1, value1}, {key2, value2}} {
			if tag[0] == "" || containsNUL(tag[0]+tag[1]) {
				return
			}
			text += tag[0] + "\x00" + tag[1] + "\x00"
			want[tag[0]] = tag[1]
		}
		require.Equal(t, want, decodeTags(text))
		require.Equal(t, want, decodeTags(text[:len(text)-1]), "the last NUL may be left out")
	})
}

func containsNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

func TestNoTags(t *testing.T) {
	require.Nil(t, decodeTags(""))
}
