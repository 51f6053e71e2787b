package argschema

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// mostEvaluations bounds how often schemas are applied in one check.
const mostEvaluations = 1_000_000

// branches reports whether a schema that refers back to itself also applies
// several parts to one place. Only then can the number of evaluations grow as a
// power of the depth of the arguments, and has to be counted before a check.
func branches(seen map[*jsonschema.Schema]bool) bool {
	branching := false
	for s := range seen {
		parts := 0
		for _, next := range inPlace(s) {
			if next != nil {
				parts++
			}
		}
		overlapping := len(s.PatternProperties) > 0 || s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil || s.Contains != nil
		branching = branching || parts > 1 || overlapping
	}
	return branching && cyclic(seen)
}

// cyclic reports whether some schema leads back to itself.
func cyclic(seen map[*jsonschema.Schema]bool) bool {
	const (
		under = 1
		done  = 2
	)
	state := make(map[*jsonschema.Schema]int, len(seen))
	var back func(s *jsonschema.Schema) bool
	back = func(s *jsonschema.Schema) bool {
		if s == nil || state[s] == done {
			return false
		}
		if state[s] == under {
			return true
		}
		state[s] = under
		for _, next := range append(inPlace(s), children(s)...) {
			if back(next) {
				return true
			}
		}
		state[s] = done
		return false
	}
	for s := range seen {
		if back(s) {
			return true
		}
	}
	return false
}

// evaluations counts how often schemas would be applied, at most
// mostEvaluations+1, by going to each pair of a schema and a place once.
type evaluations struct {
	counts map[pair]int
}

// pair is a schema and a place in the arguments, which is known by a number.
type pair struct {
	schema *jsonschema.Schema
	place  int
}

// tooMany reports whether a check of the value would apply too many schemas.
func tooMany(root *jsonschema.Schema, value any) bool {
	e := &evaluations{counts: make(map[pair]int)}
	return e.count(root, newPlaces(value)) > mostEvaluations
}

// place is a value with a number of its own.
type place struct {
	number int
	keys   map[string]*place
	items  []*place
}

// keyPlace stands for every key: what applies to one applies to each.
var keyPlace = &place{number: -1}

func newPlaces(value any) *place {
	next := 0
	var number func(value any) *place
	number = func(value any) *place {
		p := &place{number: next}
		next++
		switch v := value.(type) {
		case map[string]any:
			p.keys = make(map[string]*place, len(v))
			for key, element := range v {
				p.keys[key] = number(element)
			}
		case []any:
			for _, element := range v {
				p.items = append(p.items, number(element))
			}
		}
		return p
	}
	return number(value)
}

func (e *evaluations) count(s *jsonschema.Schema, at *place) int {
	if s == nil || len(e.counts) > mostEvaluations {
		return len(e.counts) // where the pairs alone are too many, that is known
	}
	key := pair{s, at.number}
	if n, ok := e.counts[key]; ok {
		return n
	}
	e.counts[key] = 0 // for a schema that comes back to itself at one place
	n := 1
	add := func(s *jsonschema.Schema, at *place) {
		if s != nil && n <= mostEvaluations {
			n = min(n+e.count(s, at), mostEvaluations+1)
		}
	}
	for _, next := range inPlace(s) {
		add(next, at)
	}
	for name, element := range at.keys {
		add(s.PropertyNames, keyPlace)
		add(s.Properties[name], element)
		for pattern, next := range s.PatternProperties {
			if pattern.MatchString(name) {
				add(next, element)
			}
		}
		add(s.UnevaluatedProperties, element)
		for _, next := range appendSchemas(nil, s.AdditionalProperties) {
			add(next, element)
		}
	}
	for i, element := range at.items {
		if i < len(s.PrefixItems) {
			add(s.PrefixItems[i], element)
		}
		add(s.Items2020, element)
		add(s.Contains, element)
		add(s.UnevaluatedItems, element)
		for _, next := range appendSchemas(appendSchemas(nil, s.Items), s.AdditionalItems) {
			add(next, element)
		}
	}
	e.counts[key] = n
	return n
}
