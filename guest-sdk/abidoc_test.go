package guest

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/internal/gojson"
)

// docs/abi.md is what other languages are built from, so what it lists is held
// to package abi as the SDK's own directives are.

func abiDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/abi.md")
	require.NoError(t, err)
	return string(text)
}

func TestDocumentedImports(t *testing.T) {
	var want strings.Builder
	want.WriteString("```wat\n")
	for _, f := range abi.Imports() {
		want.WriteString(`(import "` + abi.Module + `" "` + f.Name + `" ` + wat(f) + ")\n")
	}
	want.WriteString("```\n")
	require.Contains(t, abiDoc(t), want.String())
}

func TestDocumentedExports(t *testing.T) {
	for _, f := range abi.Exports() {
		require.Contains(t, abiDoc(t), "\n| `"+f.Name+"` | `"+wat(f)+"` |")
	}
}

// wat writes a function's type in WebAssembly's text format.
func wat(f abi.Func) string {
	text := "(func"
	for _, p := range f.Params {
		text += " (param $" + p.Name + " " + string(p.Type) + ")"
	}
	for _, r := range f.Results {
		text += " (result " + string(r) + ")"
	}
	return text + ")"
}

func TestDocumentedManifest(t *testing.T) {
	_, section, found := strings.Cut(abiDoc(t), "\n## Manifest\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var documented, declared []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	for _, of := range []reflect.Type{reflect.TypeFor[abi.Manifest](), reflect.TypeFor[abi.Definition](), reflect.TypeFor[abi.Options]()} {
		for i := range of.NumField() {
			name, _, _ := gojson.Tag(of.Field(i))
			declared = append(declared, name)
		}
	}
	require.Equal(t, declared, documented)
}

// A key that is documented but not in package abi, or the other way round,
// shows in how many rows there are.
func TestDocumentedKeys(t *testing.T) {
	for heading, last := range map[string]int{
		"| key | value |":     abi.ValueTags,
		"| key | number |":    abi.NumberDeadline,
		"| kind | meaning |":  abi.Permanent,
		"| level | meaning |": abi.LevelError,
	} {
		_, table, found := strings.Cut(abiDoc(t), "\n"+heading+"\n|---|---|\n")
		require.True(t, found, heading)
		table, _, _ = strings.Cut(table, "\n\n")
		rows := strings.Split(table, "\n")
		require.Len(t, rows, last+1, heading)
		for key, row := range rows {
			require.True(t, strings.HasPrefix(row, "| "+strconv.Itoa(key)+" | "), row)
		}
	}
}
