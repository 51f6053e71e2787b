package gojson

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/argschema"
)

// document is a schema without what all of them have.
func document(t *testing.T, of reflect.Type) string {
	t.Helper()
	text, err := Schema(of, NilRefused)
	require.NoError(t, err)
	if text == nil {
		return ""
	}
	require.True(t, json.Valid(text), "%s", text)
	rest, ok := strings.CutPrefix(string(text), `{"$schema":"`+schemaDialect+`",`)
	require.True(t, ok, "%s", text)
	return "{" + rest
}

type city string

type base struct {
	ID     int    `json:"id"`
	Shadow string `json:"shadow"`
}

type extra struct {
	Note string `json:"note"`
}

type outer struct {
	base
	*extra
	Shadow bool `json:"shadow"`
}

type tree struct {
	Value string  `json:"value"`
	Kids  []*tree `json:"kids,omitempty"`
}

type forest map[string]forest

type pair struct{ A, B point2 }

type point2 struct{ X int }

type box[T any] struct{ Item T }

type twins struct{ A, B box[point2] }

func TestSchemas(t *testing.T) {
	for name, test := range map[string]struct {
		of   reflect.Type
		text string
	}{
		"bool":        {reflect.TypeFor[bool](), `{"type":"boolean"}`},
		"string":      {reflect.TypeFor[string](), `{"type":"string"}`},
		"named":       {reflect.TypeFor[city](), `{"type":"string"}`},
		"float":       {reflect.TypeFor[float32](), `{"type":"number"}`},
		"int":         {reflect.TypeFor[int](), `{"type":"integer"}`},
		"int8":        {reflect.TypeFor[int8](), `{"type":"integer","minimum":-128,"maximum":127}`},
		"int64":       {reflect.TypeFor[int64](), `{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}`},
		"uint":        {reflect.TypeFor[uint](), `{"type":"integer","minimum":0}`},
		"uint16":      {reflect.TypeFor[uint16](), `{"type":"integer","minimum":0,"maximum":65535}`},
		"uint64":      {reflect.TypeFor[uint64](), `{"type":"integer","minimum":0,"maximum":18446744073709551615}`},
		"number":      {reflect.TypeFor[json.Number](), `{"type":"number"}`},
		"duration":    {reflect.TypeFor[time.Duration](), `{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}`},
		"any":         {reflect.TypeFor[any](), ``},
		"raw":         {reflect.TypeFor[json.RawMessage](), ``},
		"own JSON":    {reflect.TypeFor[big.Int](), ``},
		"own text":    {reflect.TypeFor[netip.Addr](), `{"type":"string"}`},
		"time":        {reflect.TypeFor[time.Time](), `{"type":"string","format":"date-time"}`},
		"bytes":       {reflect.TypeFor[[]byte](), `{"type":"string","contentEncoding":"base64"}`},
		"slice":       {reflect.TypeFor[[]string](), `{"type":"array","items":{"type":"string"}}`},
		"array":       {reflect.TypeFor[[2]bool](), `{"type":"array","minItems":2,"maxItems":2,"items":{"type":"boolean"}}`},
		"map":         {reflect.TypeFor[map[string]int](), `{"type":"object","additionalProperties":{"type":"integer"}}`},
		"map of any":  {reflect.TypeFor[map[string]any](), `{"type":"object"}`},
		"map by int":  {reflect.TypeFor[map[int8]bool](), `{"type":"object","propertyNames":{"pattern":"^-?[0-9]+$"},"additionalProperties":{"type":"boolean"}}`},
		"map by text": {reflect.TypeFor[map[netip.Addr]bool](), `{"type":"object","additionalProperties":{"type":"boolean"}}`},
		"pointer":     {reflect.TypeFor[**string](), `{"type":["string","null"]}`},
		"empty":       {reflect.TypeFor[struct{}](), `{"type":["object","null"],"additionalProperties":false}`},
		"fields": {reflect.TypeFor[struct {
			A int    `json:"a"`
			B string `json:",omitempty"`
			C bool   `json:"c,omitzero"`
			D *int   `json:"d"`
			E any    `json:"e"`
			F string `json:"-"`
			G string `json:"-,"` //nolint:staticcheck // the odd spelling is what is tested
			H int64  `json:"h,string"`
			i int
		}](), `{"type":"object","properties":{"a":{"type":"integer"},"B":{"type":"string"},"c":{"type":"boolean"},` +
			`"d":{"type":["integer","null"]},"e":true,"-":{"type":"string"},"h":{"type":"string"}},` +
			`"required":["a","e","-","h"],"additionalProperties":false}`},
		"nothing required": {reflect.TypeFor[struct{ A *int }](), `{"type":["object","null"],"properties":{"A":{"type":["integer","null"]}},"additionalProperties":false}`},
		"embedded": {reflect.TypeFor[outer](), `{"type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"},"shadow":{"type":"boolean"}},` +
			`"required":["id","shadow"],"additionalProperties":false}`},
		"recursive": {reflect.TypeFor[tree](), `{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"value":{"type":"string"},` +
			`"kids":{"type":"array","items":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]}}},"required":["value"],"additionalProperties":false}}}`},
		"recursive map": {reflect.TypeFor[forest](), `{"$ref":"#/$defs/forest","$defs":{"forest":{"type":"object","additionalProperties":{"$ref":"#/$defs/forest"}}}}`},
		"used twice": {reflect.TypeFor[pair](), `{"type":"object","properties":{"A":{"$ref":"#/$defs/point2"},"B":{"$ref":"#/$defs/point2"}},"required":["A","B"],"additionalProperties":false,` +
			`"$defs":{"point2":{"type":"object","properties":{"X":{"type":"integer"}},"required":["X"],"additionalProperties":false}}}`},
		"tags": {reflect.TypeFor[struct {
			W int32    `schema:"minimum=16,maximum=1024"`
			S string   `schema:"minLength=1,maxLength=9"`
			L []int    `schema:"minItems=1,maxItems=3"`
			E *string  `schema:"enum=a|b c|"`
			N *float64 `schema:"enum=1|-2.5"`
		}](), `{"type":"object","properties":{"W":{"type":"integer","minimum":16,"maximum":1024},"S":{"type":"string","minLength":1,"maxLength":9},` +
			`"L":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"integer"}},"E":{"type":["string","null"],"enum":["a","b c","",null]},` +
			`"N":{"type":["number","null"],"enum":[1,-2.5,null]}},"required":["W","S","L"],"additionalProperties":false}`},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.text, document(t, test.of)) })
	}
}

func TestSchemaNamesNeedNoEscape(t *testing.T) {
	text := document(t, reflect.TypeFor[twins]())
	require.Contains(t, text, `"$ref":"#/$defs/box_`)
	require.NotContains(t, text, `#/$defs/box[`)
	compile(t, reflect.TypeFor[twins]())
}

func TestSchemaNamesAreDistinct(t *testing.T) {
	type point2 struct{ Y bool }
	type both struct {
		A, B pair
		C, D point2
	}
	text := document(t, reflect.TypeFor[both]())
	require.Contains(t, text, `"point2":{`)
	require.Contains(t, text, `"point2_2":{`)
	compile(t, reflect.TypeFor[both]())
}

func TestTypesWithoutSchema(t *testing.T) {
	type loop *loop
	for problem, of := range map[string]reflect.Type{
		"JSON cannot be read into type chan int":     reflect.TypeFor[chan int](),
		"JSON cannot be read into type func()":       reflect.TypeFor[func()](),
		"JSON cannot be read into type complex128":   reflect.TypeFor[complex128](),
		"JSON cannot be read into type error":        reflect.TypeFor[error](),
		"JSON has no keys of type bool":              reflect.TypeFor[map[bool]int](),
		"type gojson.loop is too deep for JSON":      reflect.TypeFor[loop](),
		"JSON cannot be read into type fmt.Stringer": reflect.TypeFor[[]fmt.Stringer](),
		`the schema tag has no keyword "min"`: reflect.TypeFor[struct {
			A int `schema:"min=1"`
		}](),
		"the schema keyword minimum does not restrict this type": reflect.TypeFor[struct {
			A string `schema:"minimum=1"`
		}](),
		`the schema keyword minimum needs a number, has "x"`: reflect.TypeFor[struct {
			A int `schema:"minimum=x"`
		}](),
		`the schema keyword maxItems needs a whole number from 0, has "-1"`: reflect.TypeFor[struct {
			A []int `schema:"maxItems=-1"`
		}](),
		`the schema keyword enum needs numbers here, has "01"`: reflect.TypeFor[struct {
			A int `schema:"enum=01"`
		}](),
	} {
		_, err := Schema(of, NilRefused)
		require.ErrorContains(t, err, problem)
	}
}

// compile gives the schema to what the host checks arguments with.
func compile(t *testing.T, of reflect.Type) *argschema.Schema {
	t.Helper()
	text, err := Schema(of, NilRefused)
	require.NoError(t, err)
	schema, err := argschema.Compile(text)
	require.NoError(t, err, "%s", text)
	return schema
}

// What encoding/json writes for a type, its schema must accept.
func TestSchemaAcceptsWhatItsTypeWrites(t *testing.T) {
	seven, text := 7, "text"
	for _, value := range []any{
		outer{base: base{1, "s"}, extra: &extra{"n"}, Shadow: true},
		outer{},
		tree{"a", []*tree{{"b", nil}, nil}},
		forest{"a": {"b": forest{}}},
		pair{},
		twins{},
		struct{ A []byte }{[]byte{0xff}},
		struct{ A time.Time }{time.Unix(1, 5).UTC()},
		struct {
			A *int    `schema:"minimum=1"`
			B *string `schema:"enum=text"`
			C uint64
			D int64 `json:",string"`
		}{&seven, &text, 1<<64 - 1, -5},
		struct{ A *int }{},
		map[int]netip.Addr{-1: netip.MustParseAddr("::1")},
		[3]float64{1, 2.5, -1e300},
		struct{ A json.RawMessage }{json.RawMessage(`[1,{"a":null}]`)},
	} {
		written, err := json.Marshal(value)
		require.NoError(t, err)
		require.Empty(t, compile(t, reflect.TypeOf(value)).Check(written), "%T: %s", value, written)
	}
}

func TestSchemaRefusesWhatDoesNotFit(t *testing.T) {
	schema := compile(t, reflect.TypeFor[struct {
		Width int     `json:"width" schema:"minimum=16,maximum=1024"`
		Tree  tree    `json:"tree,omitzero"`
		Small *uint8  `json:"small"`
		List  []int   `json:"list,omitempty"`
		Kind  *string `json:"kind" schema:"enum=a|b"`
	}]())
	for _, good := range []string{`{"width":16}`, `{"width":1024,"small":null,"kind":null}`, `{"width":99,"kind":"a","tree":{"value":"","kids":[{"value":"x"}]}}`} {
		require.Empty(t, schema.Check([]byte(good)), good)
	}
	for _, bad := range []string{
		`null`, `[]`, `{}`, `{"width":15}`, `{"width":1025}`, `{"width":"16"}`, `{"width":16.5}`, `{"width":16,"other":1}`,
		`{"width":16,"tree":{}}`, `{"width":16,"tree":{"value":"","kids":[{"value":1}]}}`, `{"width":16,"small":256}`,
		`{"width":16,"list":null}`, `{"width":16,"kind":"c"}`,
	} {
		require.NotEmpty(t, schema.Check([]byte(bad)), bad)
	}
}

func TestSchemaOfWhatGoEncodes(t *testing.T) {
	type inner struct{ Names []string }
	type args struct {
		List  []int
		Map   map[string]inner
		Bytes []byte
		Named inner
		Nest  [][]string
		Tree  *tree
	}
	of := reflect.TypeFor[args]()
	text, err := Schema(of, NilAccepted)
	require.NoError(t, err)
	schema, err := argschema.Compile(text)
	require.NoError(t, err, "%s", text)
	for _, value := range []args{{}, {List: []int{1}, Map: map[string]inner{"a": {}}, Nest: [][]string{nil, {"x"}}, Tree: &tree{"v", []*tree{{"w", nil}}}}} {
		written, err := json.Marshal(value)
		require.NoError(t, err)
		require.Empty(t, schema.Check(written), "%s", written)
	}
	require.Empty(t, schema.Check([]byte(`{"Named":{}}`)), "what may be null may be left out")
	for _, bad := range []string{`{}`, `{"Named":null}`, `{"Named":{},"List":["x"]}`, `{"Named":{},"Other":1}`} {
		require.NotEmpty(t, schema.Check([]byte(bad)), bad)
	}
	for whole, want := range map[reflect.Type]string{
		reflect.TypeFor[[]int]():          `{"type":["array","null"],"items":{"type":"integer"}}`,
		reflect.TypeFor[map[string]any](): `{"type":["object","null"]}`,
		reflect.TypeFor[[]byte]():         `{"type":["string","null"],"contentEncoding":"base64"}`,
	} {
		text, err := Schema(whole, NilAccepted)
		require.NoError(t, err)
		require.Equal(t, want, "{"+strings.TrimPrefix(string(text), `{"$schema":"`+schemaDialect+`",`))
	}
}
