package argschema

import (
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// mostPaths bounds how many schemas may apply to one place in the arguments.
// References make that number grow as a power of the schema's length, and with it
// the time that a check takes.
const mostPaths = 10_000

// checkPaths refuses a schema in which too many apply to one place. It returns the
// most that do, and whether that may grow with the depth of the arguments.
func checkPaths(root *jsonschema.Schema) (most int, grows bool, err error) {
	p := &paths{counts: make(map[*jsonschema.Schema]int), seen: make(map[*jsonschema.Schema]bool)}
	if !p.visit(root) {
		return 0, false, fmt.Errorf("more than %d of its parts apply to one place: refer to a definition fewer times", mostPaths)
	}
	for s := range p.seen {
		most = max(most, p.count(s))
	}
	return most, branches(p.seen), nil
}

// paths counts, for each schema that it has seen, those that apply where it does.
type paths struct {
	counts map[*jsonschema.Schema]int
	seen   map[*jsonschema.Schema]bool
}

// visit looks at a schema and at all that it leads to, and reports whether each
// keeps to the bound.
func (p *paths) visit(s *jsonschema.Schema) bool {
	if s == nil || p.seen[s] {
		return true
	}
	p.seen[s] = true
	if p.count(s) > mostPaths {
		return false
	}
	for _, next := range append(inPlace(s), children(s)...) {
		if !p.visit(next) {
			return false
		}
	}
	return true
}

func (p *paths) count(s *jsonschema.Schema) int {
	if s == nil {
		return 0
	}
	if n, ok := p.counts[s]; ok {
		return n
	}
	p.counts[s] = 0 // for a schema that comes back to itself
	n := 1
	for _, next := range inPlace(s) {
		n = min(n+p.count(next), mostPaths+1)
	}
	p.counts[s] = n
	return n
}

// inPlace are the schemas that apply to the same value.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else}
	if s.DynamicRef != nil {
		out = append(out, s.DynamicRef.Ref)
	}
	out = append(out, s.AllOf...)
	out = append(out, s.AnyOf...)
	out = append(out, s.OneOf...)
	for _, dependent := range s.DependentSchemas {
		out = append(out, dependent)
	}
	for _, dependency := range s.Dependencies {
		out = appendSchemas(out, dependency)
	}
	return out
}

// children are the schemas that apply to parts of a value.
func children(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema}
	out = append(out, s.PrefixItems...)
	for _, property := range s.Properties {
		out = append(out, property)
	}
	for _, property := range s.PatternProperties {
		out = append(out, property)
	}
	for _, other := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		out = appendSchemas(out, other)
	}
	return out
}

// appendSchemas adds what is a schema or several in a field of many types.
func appendSchemas(out []*jsonschema.Schema, value any) []*jsonschema.Schema {
	switch v := value.(type) {
	case *jsonschema.Schema:
		return append(out, v)
	case []*jsonschema.Schema:
		return append(out, v...)
	default:
		return out
	}
}
