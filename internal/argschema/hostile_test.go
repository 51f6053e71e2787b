package argschema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/task"
)

func TestHugeNumbersAreNotComputedWith(t *testing.T) {
	schema := compile(t, `{"multipleOf": 1e-400}`)
	const text = " is outside of the numbers that can be computed with"
	for _, number := range []string{`1e1000000`, `1E+401`, `-1e401`, `1e-1000000000`, `1e99999999999999999999`, `0e1000000000`} {
		require.Equal(t, []task.ArgumentProblem{problem("", number+text)}, schema.Check([]byte(number)))
		require.Equal(t, []task.ArgumentProblem{problem("/a/1", number+text)}, schema.Check([]byte(`{"a":[0,`+number+`]}`)))
	}
	for _, number := range []string{`1e400`, `1E+400`, `-1e400`, `1e-400`, `12345678901234567890123456789`} {
		require.Nil(t, schema.Check([]byte(number)), number)
	}
}

func TestLongNumbersAreNotComputedWith(t *testing.T) {
	schema := compile(t, `{"type": "number"}`)
	require.Nil(t, schema.Check([]byte(strings.Repeat("9", 1000))))
	require.Equal(t,
		[]task.ArgumentProblem{problem("", "has 1001 characters, a number may have 1000")},
		schema.Check([]byte(strings.Repeat("9", 1001))))
	require.NotEmpty(t, schema.Check([]byte("0."+strings.Repeat("9", 1<<20))))
}

func TestNumbersAreComparedExactly(t *testing.T) {
	schema := compile(t, `{"const": 9007199254740993}`)
	require.Nil(t, schema.Check([]byte(`9007199254740993`)))
	require.NotEmpty(t, schema.Check([]byte(`9007199254740992`)), "as floats they are equal")
}

func TestDeepArguments(t *testing.T) {
	schema := compile(t, `{"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}, "not": {"type": "string"}}`)
	nested := func(open, inner, closing string, depth int) []byte {
		return []byte(strings.Repeat(open, depth) + inner + strings.Repeat(closing, depth))
	}
	require.Nil(t, schema.Check(nested("[", "1", "]", 9000)))
	require.Nil(t, schema.Check(nested(`{"a":`, "1", "}", 9000)))
	require.Len(t, schema.Check(nested("[", `"a"`, "]", 1000)), 1)

	problems := schema.Check(nested("[", "1", "]", 500_000))
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].Problem, "exceeded max depth")
}

func TestReferencesInACircleEnd(t *testing.T) {
	for name, text := range map[string]string{
		"of one":     `{"$ref":"#"}`,
		"of two":     `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`,
		"through":    `{"allOf":[{"anyOf":[{"$ref":"#"}]}]}`,
		"by dynamic": `{"$dynamicAnchor":"x","allOf":[{"$dynamicRef":"#x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := argschema.Compile([]byte(text))
			if err != nil {
				return // refused at upload is as good
			}
			require.NotEmpty(t, schema.Check([]byte(`1`)))
		})
	}
}

func TestPatternsTakeLinearTime(t *testing.T) {
	schema := compile(t, `{"pattern": "^(a+)+$"}`)
	require.Len(t, schema.Check([]byte(`"`+strings.Repeat("a", 100_000)+`!"`)), 1)
}

// TestDeepSchemaIsRefused: compiling takes time with the third power of the
// depth. A thousand levels are 12 kB and a second or more; what fits into the
// 64 KiB that a schema may have took more than 8 minutes.
func TestDeepSchemaIsRefused(t *testing.T) {
	const depth = 500
	_, err := argschema.Compile([]byte(strings.Repeat(`{"not":`, depth) + "true" + strings.Repeat("}", depth)))
	require.ErrorContains(t, err, "argument schema: ")
}

// TestMultiplyingReferencesAreRefused: each of the levels refers twice to the
// next, so a schema of a kilobyte would be evaluated 2^levels times. With 40
// levels a check would not end in anyone's lifetime, and nothing can stop it.
func TestMultiplyingReferencesAreRefused(t *testing.T) {
	const levels = 16
	var text strings.Builder
	text.WriteString(`{"$ref":"#/$defs/a0","$defs":{`)
	for i := range levels {
		fmt.Fprintf(&text, `"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&text, `"a%d":{"type":"number"}}}`, levels)
	schema, err := argschema.Compile([]byte(text.String()))
	if err != nil {
		return
	}
	require.NotEmpty(t, schema.Check([]byte(`1`)), "it was evaluated 2^%d times", levels)
}

// TestMultiplyingReferencesThroughArguments: the schema applies twice to each
// level of the arguments, so those of 18 levels are evaluated 2^18 times, and
// those of 60 without end.
func TestMultiplyingReferencesThroughArguments(t *testing.T) {
	const levels = 18
	schema, err := argschema.Compile([]byte(`{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]}}}}}`))
	if err != nil {
		return
	}
	args := strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
	require.NotEmpty(t, schema.Check([]byte(args)), "it was evaluated 2^%d times", levels)
}

// TestManyPartsAtManyPlaces: what applies to one place is bounded, and so must be
// the places. These are a million evaluations; the schema allows twice as many at
// each place, and the arguments 2000 times as many places.
func TestManyPartsAtManyPlaces(t *testing.T) {
	const levels, places = 11, 250
	var defs strings.Builder
	for i := range levels {
		fmt.Fprintf(&defs, `"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&defs, `"a%d":{"minLength":0}`, levels)
	var keys strings.Builder
	for i := range places {
		fmt.Fprintf(&keys, `"%d":0,`, i)
	}
	for name, test := range map[string]struct{ keyword, args string }{
		"items":                {"items", "[" + strings.Repeat("0,", places) + "0]"},
		"contains":             {"contains", "[" + strings.Repeat("0,", places) + "0]"},
		"additionalProperties": {"additionalProperties", "{" + keys.String() + `"":0}`},
		"propertyNames":        {"propertyNames", "{" + keys.String() + `"":0}`},
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := argschema.Compile([]byte(`{"` + test.keyword + `":{"$ref":"#/$defs/a0"},"$defs":{` + defs.String() + `}}`))
			if err != nil {
				return
			}
			require.NotEmpty(t, schema.Check([]byte(test.args)))
		})
	}
}
