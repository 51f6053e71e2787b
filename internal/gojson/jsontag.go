package gojson

import (
	"reflect"
	"strings"
	"unicode"
)

// TagOptions is what a json tag says beside a name.
type TagOptions struct {
	// named is false where the name is the Go field's.
	named bool
	// optional is set by omitempty and omitzero.
	optional bool
	// quoted is set by string.
	quoted bool
}

// Tag reads a field's json tag the way encoding/json does.
func Tag(field reflect.StructField) (name string, options TagOptions, ignored bool) {
	tag := field.Tag.Get("json")
	if tag == "-" {
		return "", options, true
	}
	name, rest, _ := strings.Cut(tag, ",")
	if options.named = isMemberName(name); !options.named {
		name = field.Name
	}
	for rest != "" {
		var word string
		switch word, rest, _ = strings.Cut(rest, ","); word {
		case "omitempty", "omitzero":
			options.optional = true
		case "string":
			options.quoted = true
		}
	}
	return name, options, false
}

// isMemberName reports whether encoding/json takes a tag's name: letters,
// digits, and punctuation but for quotes and the backslash.
func isMemberName(name string) bool {
	for _, r := range name {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
		case strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r):
		default:
			return false
		}
	}
	return name != ""
}
