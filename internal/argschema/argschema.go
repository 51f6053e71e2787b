// Package argschema checks the arguments of tasks against the JSON Schema that
// their definition declares. Both texts come from strangers: nothing is loaded
// from elsewhere, and no number is computed with that is too large to.
package argschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/taskhost/taskhost/task"
)

const (
	// mostProblems bounds how much is said about one set of arguments.
	mostProblems = 8
	// maxExponent bounds the exponent of a number. The validator computes with
	// exact fractions, to which 1e1000000 is a million digits.
	maxExponent = 400
	// maxDigits bounds the length of a number, for the same reason.
	maxDigits = 1000
	// maxDepth bounds how deep a schema is nested: the time to compile it grows
	// with the third power.
	maxDepth = 100
)

// size is how many values and keys a value holds, itself included.
func size(value any) int {
	n := 1
	switch v := value.(type) {
	case map[string]any:
		for _, element := range v {
			n += 1 + size(element)
		}
	case []any:
		for _, element := range v {
			n += size(element)
		}
	}
	return n
}

// depth is how deep a value is nested.
func depth(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, element := range v {
			deepest = max(deepest, depth(element))
		}
	case []any:
		for _, element := range v {
			deepest = max(deepest, depth(element))
		}
	default:
		return 0
	}
	return deepest + 1
}

// Schema checks arguments. It is safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	// most is how many schemas apply to one place at the most; grows says that
	// it may be more in arguments that are nested deeply.
	most  int
	grows bool
}

// Compile reads a JSON Schema, of draft 2020-12 unless it names another.
func Compile(text []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("argument schema: %w", err)
	}
	if _, problem := badNumber(doc); problem != "" {
		return nil, fmt.Errorf("argument schema: %s", problem)
	}
	if depth(doc) > maxDepth {
		return nil, fmt.Errorf("argument schema: it is nested more than %d deep: use $defs", maxDepth)
	}
	compiler := jsonschema.NewCompiler()
	// A schema is a stranger's text: it must not make the host open a file or
	// a connection.
	compiler.UseLoader(noLoader{})
	const location = "taskhost:///args"
	if err := compiler.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("argument schema: %w", err)
	}
	compiled, err := compiler.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("argument schema: %w", err)
	}
	most, grows, err := checkPaths(compiled)
	if err != nil {
		return nil, fmt.Errorf("argument schema: %w", err)
	}
	return &Schema{compiled, most, grows}, nil
}

// noLoader refuses every reference to another document.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a reference to another document (%.200s) is not followed: use $defs", url)
}

// Check says what is wrong with arguments that are valid JSON, or nil.
func (s *Schema) Check(args []byte) []task.ArgumentProblem {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(args))
	if err != nil {
		return []task.ArgumentProblem{{Problem: "is not valid JSON: " + err.Error()}}
	}
	if path, problem := badNumber(value); problem != "" {
		return []task.ArgumentProblem{{Path: path, Problem: problem}}
	}
	if (s.grows || s.most*size(value) > mostEvaluations) && tooMany(s.compiled, value) {
		return []task.ArgumentProblem{{Problem: fmt.Sprintf("would take more than %d steps to check: send less, or nest it less deeply", mostEvaluations)}}
	}
	err = s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []task.ArgumentProblem{{Problem: err.Error()}}
	}
	return appendProblems(nil, invalid)
}

// appendProblems adds the innermost causes, which are the ones to act on.
func appendProblems(problems []task.ArgumentProblem, err *jsonschema.ValidationError) []task.ArgumentProblem {
	if len(problems) >= mostProblems {
		return problems
	}
	if len(err.Causes) == 0 {
		return append(problems, task.ArgumentProblem{
			Path:    pointer(err.InstanceLocation),
			Problem: cut(err.ErrorKind.LocalizedString(message.NewPrinter(language.English))),
		})
	}
	for _, cause := range err.Causes {
		problems = appendProblems(problems, cause)
	}
	return problems
}

// cut bounds a text that may quote the arguments.
func cut(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// escape writes a key as a step of a JSON Pointer.
var escape = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(cut(escape.Replace(step)))
	}
	return b.String()
}

// badNumber finds a number that is too long or too large to compute with, and
// says where it is.
func badNumber(value any) (path, problem string) {
	switch v := value.(type) {
	case map[string]any:
		for key, element := range v {
			if path, problem = badNumber(element); problem != "" {
				return "/" + cut(escape.Replace(key)) + path, problem
			}
		}
	case []any:
		for i, element := range v {
			if path, problem = badNumber(element); problem != "" {
				return "/" + strconv.Itoa(i) + path, problem
			}
		}
	case json.Number:
		if len(v) > maxDigits {
			return "", fmt.Sprintf("has %d characters, a number may have %d", len(v), maxDigits)
		}
		_, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e")
		if n, err := strconv.Atoi(exponent); exponent != "" && (err != nil || n > maxExponent || n < -maxExponent) {
			return "", fmt.Sprintf("%.40s is outside of the numbers that can be computed with", v)
		}
	}
	return "", ""
}
