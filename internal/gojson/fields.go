package gojson

import "reflect"

// structField is a field as encoding/json sees it, those of embedded structs
// included.
type structField struct {
	name      string
	goName    string
	typ       reflect.Type
	optional  bool
	quoted    bool
	schemaTag string
	// depth counts the structs that the field is embedded in, and named says
	// that a tag gave the name: they decide between fields of one name.
	depth int
	named bool
}

// structFields lists the fields of a struct that JSON is read into, in order.
func structFields(t reflect.Type) []structField {
	all := collectFields(nil, t, structField{}, map[reflect.Type]bool{})
	kept := all[:0:0]
	for i, f := range all {
		if winner(all, f.name) == i {
			kept = append(kept, f)
		}
	}
	return kept
}

// collectFields appends the fields of t, which is embedded as outer says.
func collectFields(all []structField, t reflect.Type, outer structField, inside map[reflect.Type]bool) []structField {
	if inside[t] {
		return all // an embedded pointer to what is around it: nothing new
	}
	inside[t] = true
	defer delete(inside, t)
	for i := range t.NumField() {
		field := t.Field(i)
		name, tag, ignored := Tag(field)
		if ignored {
			continue
		}
		embedded, isEmbedded := embeddedStruct(field)
		if !field.IsExported() && !isEmbedded {
			continue
		}
		if isEmbedded && !tag.named {
			inner := structField{depth: outer.depth + 1, optional: outer.optional || field.Type.Kind() == reflect.Pointer}
			all = collectFields(all, embedded, inner, inside)
			continue
		}
		all = append(all, structField{
			name:      name,
			goName:    field.Name,
			typ:       field.Type,
			optional:  tag.optional || outer.optional,
			quoted:    tag.quoted,
			schemaTag: field.Tag.Get("schema"),
			depth:     outer.depth,
			named:     tag.named,
		})
	}
	return all
}

// embeddedStruct returns the struct type that a field embeds, by itself or
// through a pointer.
func embeddedStruct(field reflect.StructField) (reflect.Type, bool) {
	t := field.Type
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	return t, field.Anonymous && t.Kind() == reflect.Struct
}

// winner returns the index of the field that a name means: the least embedded,
// of those the one that a tag names, and none where that leaves several.
func winner(all []structField, name string) int {
	best, ties := -1, 0
	for i, f := range all {
		switch {
		case f.name != name:
		case best < 0 || outranks(f, all[best]):
			best, ties = i, 0
		case !outranks(all[best], f):
			ties++
		}
	}
	if ties > 0 {
		return -1
	}
	return best
}

func outranks(a, b structField) bool {
	if a.depth != b.depth {
		return a.depth < b.depth
	}
	return a.named && !b.named
}
