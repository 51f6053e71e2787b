package gojson

import (
	"errors"
	"reflect"
	"strconv"
)

// Nil says what a schema makes of a nil slice and of a nil map, which encoding/json
// writes as null.
type Nil bool

// The choices.
const (
	// NilRefused has whoever writes JSON write [] and {}.
	NilRefused Nil = false
	// NilAccepted is for arguments that a Go program encodes: null will do, and so will
	// leaving the field out.
	NilAccepted Nil = true
)

// Schema derives the JSON Schema of what encoding/json reads into a type, or nothing
// where that is everything. guest.Handle and taskhost.Register have the rules.
func Schema(t reflect.Type, null Nil) ([]byte, error) {
	builder := schemaBuilder{named: map[reflect.Type]*schema{}, null: null}
	root, err := builder.use(t, 0)
	if err != nil {
		return nil, err
	}
	if root.schema.anything {
		return nil, nil
	}
	if root.schema.isObject() && !root.schema.requiresAny() {
		root.nullable = true
	}
	return appendRoot(nil, root), nil
}

// schema says what JSON a Go type reads.
type schema struct {
	// name is of the Go type, for the schemas that are referred to by name.
	name string
	// uses counts where the schema stands. With more than one it is written
	// once, among the definitions, which is also what ends a recursion.
	uses int
	// anything is set where there is no restriction: no other field matters.
	anything bool
	// kind is the JSON type.
	kind string
	// keywords restrict the kind.
	keywords []keyword
	// properties are of an object whose members are known. It is closed.
	properties []property
	// element is of an array, and of an object whose members are not known.
	element *schemaUse
}

// schemaUse is a schema at one place.
type schemaUse struct {
	schema   *schema
	nullable bool
	// keywords are those of the place: a field's tag. They stand before the
	// schema's own.
	keywords []keyword
}

type property struct {
	name     string
	use      schemaUse
	optional bool
}

// keyword is a JSON Schema keyword and its value, which is JSON text.
type keyword struct{ name, value string }

func (s *schema) isObject() bool { return s.kind == "object" && s.element == nil }

func (s *schema) requiresAny() bool {
	for _, p := range s.properties {
		if !p.optional {
			return true
		}
	}
	return false
}

// schemaBuilder walks types. Each named type that can hold others gets one
// schema, so that a type which holds itself has an end.
type schemaBuilder struct {
	named map[reflect.Type]*schema
	null  Nil
}

// maxSchemaDepth bounds types that hold themselves without a name in between,
// which encoding/json cannot read either.
const maxSchemaDepth = 100

func (b *schemaBuilder) use(t reflect.Type, depth int) (schemaUse, error) {
	use, err := b.plainUse(t, depth)
	if kind := t.Kind(); b.null == NilAccepted && (kind == reflect.Slice || kind == reflect.Map) {
		use.nullable = true
	}
	return use, err
}

func (b *schemaBuilder) plainUse(t reflect.Type, depth int) (schemaUse, error) {
	if depth > maxSchemaDepth {
		return schemaUse{}, errors.New("type " + t.String() + " is too deep for JSON")
	}
	if s := leafSchema(t); s != nil {
		return schemaUse{schema: s}, nil
	}
	if t.Kind() == reflect.Pointer {
		to, err := b.use(t.Elem(), depth+1)
		to.nullable = true
		return to, err
	}
	if s := b.named[t]; s != nil {
		s.uses++
		return schemaUse{schema: s}, nil
	}
	s := &schema{name: t.Name(), uses: 1}
	if s.name != "" {
		b.named[t] = s
	}
	return schemaUse{schema: s}, b.fill(s, t, depth)
}

// fill completes the schema of a type that holds others.
func (b *schemaBuilder) fill(s *schema, t reflect.Type, depth int) (err error) {
	switch t.Kind() {
	case reflect.Struct:
		s.kind = "object"
		s.properties, err = b.properties(t, depth)
		return err
	case reflect.Map:
		s.kind = "object"
		if s.keywords, err = mapKeyKeywords(t); err != nil {
			return err
		}
	case reflect.Slice:
		s.kind = "array"
	case reflect.Array:
		s.kind = "array"
		size := strconv.Itoa(t.Len())
		s.keywords = []keyword{{"minItems", size}, {"maxItems", size}}
	default:
		return errors.New("JSON cannot be read into type " + t.String())
	}
	element, err := b.use(t.Elem(), depth+1)
	s.element = &element
	return err
}

// properties describes the fields of a struct.
func (b *schemaBuilder) properties(t reflect.Type, depth int) ([]property, error) {
	var all []property
	for _, f := range structFields(t) {
		use, err := b.fieldUse(f, depth+1)
		if err != nil {
			return nil, errors.New(t.String() + "." + f.goName + ": " + err.Error())
		}
		all = append(all, property{f.name, use, f.optional || use.nullable})
	}
	return all, nil
}

func (b *schemaBuilder) fieldUse(f structField, depth int) (schemaUse, error) {
	use, err := b.use(f.typ, depth)
	if err != nil {
		return use, err
	}
	if f.quoted && isScalar(use.schema.kind) {
		use.schema = &schema{kind: "string"}
	}
	use.keywords, err = tagKeywords(f.schemaTag, use)
	return use, err
}

func isScalar(kind string) bool {
	return kind == "integer" || kind == "number" || kind == "boolean" || kind == "string"
}
