package argschema_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestCheck(t *testing.T) {
	schema := compile(t, `{
		"type": "object",
		"properties": {"width": {"type": "integer", "minimum": 1}, "name": {"$ref": "#/$defs/name"}},
		"required": ["width"],
		"additionalProperties": false,
		"$defs": {"name": {"type": "string"}}
	}`)
	for args, want := range map[string][]task.ArgumentProblem{
		`{"width":1}`:            nil,
		`{"width":2.0}`:          nil, // a number is an integer by its value
		`{"width":1,"name":"n"}`: nil,
		`{}`:                     {problem("", "missing property 'width'")},
		`{"width":0}`:            {problem("/width", "minimum: got 0, want 1")},
		`{"width":1.5}`:          {problem("/width", "got number, want integer")},
		`{"width":1,"name":5}`:   {problem("/name", "got number, want string")},
		`{"width":1,"x":5}`:      {problem("", "additional properties 'x' not allowed")},
		`[]`:                     {problem("", "got array, want object")},
		`null`:                   {problem("", "got null, want object")},
	} {
		require.Equal(t, want, schema.Check([]byte(args)), args)
	}
}

func TestCheckOfWhatIsNoJSON(t *testing.T) {
	schema := compile(t, `true`)
	for _, args := range []string{"", "{", `{"a":}`, "1 2", "{}{}", "nul", "'a'"} {
		problems := schema.Check([]byte(args))
		require.Len(t, problems, 1, args)
		require.Contains(t, problems[0].Problem, "is not valid JSON: ", args)
		require.Empty(t, problems[0].Path)
	}
}

func TestProblemPathsAreJSONPointers(t *testing.T) {
	schema := compile(t, `{"properties": {
		"a/b": {"type": "string"},
		"c~d": {"items": {"properties": {"": {"type": "boolean"}}}}
	}}`)
	require.Equal(t,
		[]task.ArgumentProblem{problem("/a~1b", "got number, want string")},
		schema.Check([]byte(`{"a/b":1}`)))
	require.Equal(t,
		[]task.ArgumentProblem{problem("/c~0d/1/", "got number, want boolean")},
		schema.Check([]byte(`{"c~d":[{},{"":1}]}`)))
}

// TestProblemPathsOfNumbersAreJSONPointers: the same for the numbers that are
// found before the validator is asked.
func TestProblemPathsOfNumbersAreJSONPointers(t *testing.T) {
	require.Equal(t,
		[]task.ArgumentProblem{problem("/a~1b/1/c~0d", "1e401 is outside of the numbers that can be computed with")},
		compile(t, `true`).Check([]byte(`{"a/b":[1,{"c~d":1e401}]}`)))
}

func TestProblemsAreNotMoreThanEight(t *testing.T) {
	schema := compile(t, `{"items": {"type": "string"}}`)
	problems := schema.Check([]byte(`[1,2,3,4,5,6,7,8,9,10]`))
	require.Len(t, problems, 8)
	require.Equal(t, problem("/0", "got number, want string"), problems[0])
	require.Equal(t, problem("/7", "got number, want string"), problems[7])
}

func TestProblemsAreOfTheInnermostCauses(t *testing.T) {
	schema := compile(t, `{"anyOf": [{"type": "string"}, {"properties": {"a": {"const": 1}}, "type": "object"}]}`)
	require.Equal(t,
		[]task.ArgumentProblem{problem("", "got object, want string"), problem("/a", "value must be 1")},
		schema.Check([]byte(`{"a":2}`)))
}

func TestLongProblemsAreCut(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	schema := compile(t, `{"pattern": "^x", "propertyNames": {"const": "x"}, "additionalProperties": false}`)
	for _, args := range []string{`"` + long + `"`, `{"` + long + `":1}`} {
		problems := schema.Check([]byte(args))
		require.NotEmpty(t, problems)
		for _, p := range problems {
			require.LessOrEqual(t, len(p.Problem), 310)
			require.LessOrEqual(t, len(p.Path), 310)
			require.True(t, utf8.ValidString(p.Problem), "it is not cut inside a character")
		}
	}
	deep := compile(t, `{"additionalProperties": {"type": "string"}}`).Check([]byte(`{"` + long + `":1}`))
	require.Len(t, deep, 1)
	require.True(t, strings.HasSuffix(deep[0].Path, "…"))
}

func TestCheckConcurrently(t *testing.T) {
	schema := compile(t, `{"$ref": "#/$defs/n", "$defs": {"n": {"type": "number", "multipleOf": 0.1, "maximum": 5}}}`)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if problems := schema.Check([]byte(`0.3`)); problems != nil {
					t.Error(problems)
				}
				if problems := schema.Check([]byte(`6`)); len(problems) != 1 {
					t.Error(problems)
				}
			}
		})
	}
	group.Wait()
}
