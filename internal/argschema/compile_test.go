package argschema_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/task"
)

func TestCompileRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              ``,
		"no JSON":              `{"type":`,
		"two texts":            `{} {}`,
		"a number":             `5`,
		"a list":               `[]`,
		"null":                 `null`,
		"a type that is none":  `{"type":"strin"}`,
		"a type that is no":    `{"type":5}`,
		"a negative length":    `{"minLength":-1}`,
		"a multiple of 0":      `{"multipleOf":0}`,
		"a bad pattern":        `{"pattern":"(?=a)"}`,
		"an exploding pattern": `{"pattern":"((a{100}){100}){10}"}`,
		"a dangling reference": `{"$ref":"#/$defs/none"}`,
		"a dangling anchor":    `{"$ref":"#none"}`,
		"properties as a list": `{"properties":[]}`,
		"a large number":       `{"maximum":1e401}`,
		"a small number":       `{"properties":{"a":{"multipleOf":1e-401}}}`,
		"a number in a list":   `{"enum":[1,[2,1e99999999999999999999]]}`,
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := argschema.Compile([]byte(text))
			require.ErrorContains(t, err, "argument schema: ")
			require.Nil(t, schema)
		})
	}
}

func TestCompileTakesOtherDrafts(t *testing.T) {
	schema := compile(t, `{"$schema": "http://json-schema.org/draft-07/schema#",
		"definitions": {"a": {"type": "string"}}, "$ref": "#/definitions/a"}`)
	require.Nil(t, schema.Check([]byte(`"a"`)))
	require.Equal(t, []task.ArgumentProblem{problem("", "got number, want string")}, schema.Check([]byte(`1`)))
}

func TestCompileTakesBooleans(t *testing.T) {
	require.Nil(t, compile(t, `true`).Check([]byte(`1`)))
	require.NotEmpty(t, compile(t, `false`).Check([]byte(`1`)))
}

// TestReferencesAreNotFollowed offers what each reference points at, so that
// following it would succeed, and counts who asks.
func TestReferencesAreNotFollowed(t *testing.T) {
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		_, err := w.Write([]byte(`{"type":"string"}`))
		if err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "schema.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"type":"string"}`), 0o600))
	fileURL := "file://" + filepath.ToSlash(file)

	for name, text := range map[string]string{
		"a reference by HTTP":            `{"$ref":"` + server.URL + `/s.json"}`,
		"a reference with a fragment":    `{"$ref":"` + server.URL + `/s.json#/a"}`,
		"a reference to a file":          `{"$ref":"` + fileURL + `"}`,
		"a path":                         `{"$ref":"` + file + `"}`,
		"a relative path":                `{"$ref":"schema.json"}`,
		"a dynamic reference":            `{"$dynamicRef":"` + server.URL + `/s.json"}`,
		"a base, and relative to it":     `{"$id":"` + server.URL + `/base","$ref":"s.json"}`,
		"a base of a part":               `{"properties":{"a":{"$id":"` + server.URL + `/base","$ref":"s.json"}}}`,
		"a base that is a file":          `{"$id":"` + fileURL + `","$ref":"other.json"}`,
		"deep inside":                    `{"properties":{"a":{"items":{"anyOf":[true,{"$ref":"` + server.URL + `/s.json"}]}}}}`,
		"a schema of schemas":            `{"$schema":"` + server.URL + `/meta.json"}`,
		"a schema of schemas, of a part": `{"$defs":{"a":{"$id":"x","$schema":"` + server.URL + `/meta.json"}},"$ref":"#/$defs/a"}`,
		"a file of schemas":              `{"$schema":"` + fileURL + `"}`,
		"a scheme that nobody knows":     `{"$ref":"gopher://127.0.0.1/s.json"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := argschema.Compile([]byte(text))
			require.ErrorContains(t, err, "is not followed: use $defs")
			require.Empty(t, asked)
		})
	}
}

// TestReferencesInsideAreFollowed is the other half: the refusal is of other
// documents, not of references.
func TestReferencesInsideAreFollowed(t *testing.T) {
	for name, text := range map[string]string{
		"a pointer":   `{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`,
		"an anchor":   `{"$ref":"#a","$defs":{"a":{"$anchor":"a","type":"string"}}}`,
		"an embedded": `{"$ref":"https://example.com/a","$defs":{"a":{"$id":"https://example.com/a","type":"string"}}}`,
		"a base":      `{"$id":"https://example.com/b","$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			schema := compile(t, text)
			require.Nil(t, schema.Check([]byte(`"a"`)))
			require.Equal(t, []task.ArgumentProblem{problem("", "got number, want string")}, schema.Check([]byte(`1`)))
		})
	}
}
