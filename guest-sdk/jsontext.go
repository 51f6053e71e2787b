package guest

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/internal/gojson"
)

// The functions below append JSON. They serve the manifest, schemas and log
// fields, so that a guest whose handlers are all raw carries no codec. What a
// handler takes and returns goes through encoding/json.

// maxDepth bounds how deep a log field is written, since it may hold itself.
const maxDepth = 16

func appendString(b []byte, s string) []byte { return gojson.AppendString(b, s) }

func appendKey(b []byte, key string) []byte { return gojson.AppendKey(b, key) }

// appendFloat appends a number, or as a string what JSON has no number for.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendString(b, strconv.FormatFloat(f, 'g', -1, 64))
	}
	format := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

// The ways in which a value may write itself, as their home packages name them.
type (
	jsonMarshaler interface{ MarshalJSON() ([]byte, error) }
	textMarshaler interface{ MarshalText() ([]byte, error) }
	stringer      interface{ String() string }
)

// appendAny appends any value of a log field.
func appendAny(b []byte, v any) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return appendValue(b, reflect.ValueOf(v), maxDepth)
}

func appendValue(b []byte, v reflect.Value, depth int) []byte {
	if depth == 0 {
		return appendString(b, "(too deep)")
	}
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return append(b, "null"...)
		}
	}
	if v.CanInterface() {
		if own, ok := appendOwn(b, v.Interface()); ok {
			return own
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(b, v.Uint(), 10)
	case reflect.Float32:
		return appendFloat32(b, float32(v.Float()))
	case reflect.Float64:
		return appendFloat(b, v.Float())
	case reflect.Pointer, reflect.Interface:
		return appendValue(b, v.Elem(), depth-1)
	case reflect.Slice, reflect.Array:
		return appendList(b, v, depth)
	case reflect.Map:
		return appendMap(b, v, depth)
	case reflect.Struct:
		return appendStruct(b, v, depth)
	}
	return appendString(b, v.Type().String())
}

// appendFloat32 appends the shortest number that means f, not the float64 that
// f becomes.
func appendFloat32(b []byte, f float32) []byte {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	return appendFloat(b, short)
}

// appendOwn appends a value in the way that its type asks for, if it does.
func appendOwn(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case jsonMarshaler:
		text, err := v.MarshalJSON()
		if err != nil {
			return appendString(b, err.Error()), true
		}
		return append(b, text...), true
	case error:
		return appendString(b, v.Error()), true
	case textMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return appendString(b, err.Error()), true
		}
		return appendString(b, string(text)), true
	case stringer:
		return appendString(b, v.String()), true
	case []byte:
		return appendString(b, base64.StdEncoding.EncodeToString(v)), true
	}
	return b, false
}

func appendList(b []byte, v reflect.Value, depth int) []byte {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v.Index(i), depth-1)
	}
	return append(b, ']')
}

// appendMap appends the members sorted by key, so that equal maps read equal.
func appendMap(b []byte, v reflect.Value, depth int) []byte {
	type member struct {
		key   string
		value reflect.Value
	}
	members := make([]member, 0, v.Len())
	for at := v.MapRange(); at.Next(); {
		members = append(members, member{mapKey(at.Key()), at.Value()})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	b = append(b, '{')
	for _, m := range members {
		b = appendValue(appendKey(b, m.key), m.value, depth-1)
	}
	return append(b, '}')
}

// mapKey writes a key as text.
func mapKey(key reflect.Value) string {
	if key.Kind() == reflect.String {
		return key.String()
	}
	if key.CanInterface() {
		switch key := key.Interface().(type) {
		case textMarshaler:
			if text, err := key.MarshalText(); err == nil {
				return string(text)
			}
		case stringer:
			return key.String()
		}
	}
	return string(appendValue(nil, key, maxDepth))
}

func appendStruct(b []byte, v reflect.Value, depth int) []byte {
	b = append(b, '{')
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, ignored := gojson.Tag(field)
		if ignored || !field.IsExported() {
			continue
		}
		b = appendValue(appendKey(b, name), v.Field(i), depth-1)
	}
	return append(b, '}')
}
