package gojson

import (
	"slices"
	"strconv"
)

// schemaDialect is the version of JSON Schema that is written.
const schemaDialect = "https://json-schema.org/draft/2020-12/schema"

// schemaWriter writes schemas as JSON text. Those that are used more than once
// are collected on the way, to be written among the definitions.
type schemaWriter struct {
	names map[*schema]string
	taken map[string]bool
	queue []*schema
}

func appendRoot(b []byte, root schemaUse) []byte {
	w := schemaWriter{names: map[*schema]string{}, taken: map[string]bool{}}
	b = append(b, '{')
	b = AppendString(AppendKey(b, "$schema"), schemaDialect)
	b = w.appendUse(b, root)
	for i := 0; i < len(w.queue); i++ {
		if i == 0 {
			b = append(AppendKey(b, "$defs"), '{')
		}
		s := w.queue[i]
		b = append(AppendKey(b, w.names[s]), '{')
		b = append(w.appendBody(b, s, false, nil), '}')
	}
	if len(w.queue) > 0 {
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendSchema appends a schema where one is expected.
func (w *schemaWriter) appendSchema(b []byte, use schemaUse) []byte {
	if use.schema.anything {
		return append(b, "true"...)
	}
	b = append(b, '{')
	return append(w.appendUse(b, use), '}')
}

// appendUse appends the members of a schema, or of a reference to it.
func (w *schemaWriter) appendUse(b []byte, use schemaUse) []byte {
	if use.schema.uses < 2 {
		return w.appendBody(b, use.schema, use.nullable, use.keywords)
	}
	reference := "#/$defs/" + w.name(use.schema)
	if use.nullable {
		b = append(AppendKey(b, "anyOf"), `[{"$ref":`...)
		b = append(AppendString(b, reference), `},{"type":"null"}]`...)
	} else {
		b = AppendString(AppendKey(b, "$ref"), reference)
	}
	return appendKeywords(b, use.keywords, nil)
}

func (w *schemaWriter) appendBody(b []byte, s *schema, nullable bool, keywords []keyword) []byte {
	b = AppendKey(b, "type")
	if nullable {
		b = append(b, '[')
		b = append(AppendString(b, s.kind), `,"null"]`...)
	} else {
		b = AppendString(b, s.kind)
	}
	b = appendKeywords(b, keywords, nil)
	b = appendKeywords(b, s.keywords, keywords)
	switch {
	case s.isObject():
		return w.appendProperties(b, s)
	case s.kind == "array":
		return w.appendSchema(AppendKey(b, "items"), *s.element)
	case s.kind == "object" && !s.element.schema.anything:
		return w.appendSchema(AppendKey(b, "additionalProperties"), *s.element)
	}
	return b
}

// appendKeywords appends keywords, but for those that stand already.
func appendKeywords(b []byte, keywords, standing []keyword) []byte {
	for _, k := range keywords {
		if !slices.ContainsFunc(standing, func(other keyword) bool { return other.name == k.name }) {
			b = append(AppendKey(b, k.name), k.value...)
		}
	}
	return b
}

func (w *schemaWriter) appendProperties(b []byte, s *schema) []byte {
	if len(s.properties) > 0 {
		b = append(AppendKey(b, "properties"), '{')
		for _, p := range s.properties {
			b = w.appendSchema(AppendKey(b, p.name), p.use)
		}
		b = append(b, '}')
	}
	if s.requiresAny() {
		b = append(AppendKey(b, "required"), '[')
		for _, p := range s.properties {
			if p.optional {
				continue
			}
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = AppendString(b, p.name)
		}
		b = append(b, ']')
	}
	return append(AppendKey(b, "additionalProperties"), "false"...)
}

// name returns the name of a schema among the definitions. It is the Go type's,
// in characters that need no escape in a reference, and numbered where two
// types share it.
func (w *schemaWriter) name(s *schema) string {
	if name, ok := w.names[s]; ok {
		return name
	}
	plain := []byte(s.name)
	for i, c := range plain {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_') {
			plain[i] = '_'
		}
	}
	name := string(plain)
	for n := 2; w.taken[name]; n++ {
		name = string(plain) + "_" + strconv.Itoa(n)
	}
	w.names[s], w.taken[name] = name, true
	w.queue = append(w.queue, s)
	return name
}
