package gojson

import (
	"encoding"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"time"
)

var (
	timeType            = reflect.TypeFor[time.Time]()
	numberType          = reflect.TypeFor[json.Number]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// leafSchema returns the schema of a type that holds no other, nil for one that
// does or that JSON cannot be read into.
func leafSchema(t reflect.Type) *schema {
	switch {
	case t == timeType:
		return &schema{kind: "string", keywords: []keyword{{"format", `"date-time"`}}}
	case t == numberType:
		return &schema{kind: "number"}
	case t.Kind() == reflect.Pointer:
		return nil
	case t.Kind() == reflect.Interface:
		if t.NumMethod() == 0 {
			return &schema{anything: true}
		}
		return nil
	case reflect.PointerTo(t).Implements(unmarshalerType):
		return &schema{anything: true}
	case reflect.PointerTo(t).Implements(textUnmarshalerType):
		return &schema{kind: "string"}
	}
	return basicSchema(t)
}

func basicSchema(t reflect.Type) *schema {
	switch t.Kind() {
	case reflect.Bool:
		return &schema{kind: "boolean"}
	case reflect.String:
		return &schema{kind: "string"}
	case reflect.Float32, reflect.Float64:
		return &schema{kind: "number"}
	case reflect.Int:
		return &schema{kind: "integer"}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		most := int64(math.MaxInt64) >> (64 - t.Bits())
		return &schema{kind: "integer", keywords: []keyword{
			{"minimum", strconv.FormatInt(-most-1, 10)},
			{"maximum", strconv.FormatInt(most, 10)},
		}}
	case reflect.Uint, reflect.Uintptr:
		return &schema{kind: "integer", keywords: []keyword{{"minimum", "0"}}}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &schema{kind: "integer", keywords: []keyword{
			{"minimum", "0"},
			{"maximum", strconv.FormatUint(math.MaxUint64>>(64-t.Bits()), 10)},
		}}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &schema{kind: "string", keywords: []keyword{{"contentEncoding", `"base64"`}}}
		}
	}
	return nil
}

// mapKeyKeywords restricts the keys of a map to what can be read into them.
func mapKeyKeywords(t reflect.Type) ([]keyword, error) {
	key := t.Key()
	if key.Kind() == reflect.String || reflect.PointerTo(key).Implements(textUnmarshalerType) {
		return nil, nil
	}
	switch key.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return []keyword{{"propertyNames", `{"pattern":"^-?[0-9]+$"}`}}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return []keyword{{"propertyNames", `{"pattern":"^[0-9]+$"}`}}, nil
	}
	return nil, errors.New("JSON has no keys of type " + key.String())
}
