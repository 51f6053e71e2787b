package guest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
)

// The directives that cross the boundary need literals, so nothing but these
// tests holds them to the tables of package abi.

func TestImportsAreThoseOfTheABI(t *testing.T) {
	file := parse(t, "imports_wasip1.go")
	want := map[string]string{}
	for _, f := range abi.Imports() {
		want[abi.Module+" "+f.Name] = abiSignature(f)
	}
	require.Empty(t, differences(want, directives(t, file, "//go:wasmimport ")))
}

func TestExportsAreThoseOfTheABI(t *testing.T) {
	file := parse(t, "imports_wasip1.go")
	want := map[string]string{}
	for _, f := range abi.Exports() {
		want[f.Name] = abiSignature(f)
	}
	require.Empty(t, differences(want, directives(t, file, "//go:wasmexport ")))
}

func TestFakeHostIsTheRealOne(t *testing.T) {
	real := methods(parse(t, "imports_wasip1.go"), "host")
	fake := methods(parse(t, "internal/fakehost/fakehost.go"), "Host")
	require.Empty(t, differences(real, fake))

	var want, have []string
	for _, f := range abi.Imports() {
		want = append(want, strings.ReplaceAll(f.Name, "_", ""))
	}
	for name := range fake {
		have = append(have, strings.ToLower(name))
	}
	require.ElementsMatch(t, want, have, "a method for each import, and no other")
}

// A comparison that finds nothing is worth nothing unless it can find something.
func TestDifferencesAreFound(t *testing.T) {
	all := map[string]string{"a": "(i32)", "b": "(i64) i32"}
	require.Empty(t, differences(all, maps.Clone(all)))
	require.Equal(t, []string{"b: missing"}, differences(all, map[string]string{"a": "(i32)"}))
	require.Equal(t, []string{"b: not expected"}, differences(map[string]string{"a": "(i32)"}, all))
	require.Equal(t, []string{"b: is (i32), must be (i64) i32"}, differences(all, map[string]string{"a": "(i32)", "b": "(i32)"}))
}

func differences(want, have map[string]string) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch signature, ok := have[name]; {
		case !ok:
			found = append(found, name+": missing")
		case signature != want[name]:
			found = append(found, fmt.Sprintf("%s: is %s, must be %s", name, signature, want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			found = append(found, name+": not expected")
		}
	}
	return found
}

func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	require.NoError(t, err)
	return file
}

func abiSignature(f abi.Func) string {
	var params, results []string
	for _, p := range f.Params {
		params = append(params, string(p.Type))
	}
	for _, r := range f.Results {
		results = append(results, string(r))
	}
	return signature(params, results)
}

func signature(params, results []string) string {
	return "(" + strings.Join(params, ", ") + ") " + strings.Join(results, ", ")
}

// directives lists the functions under a directive: what follows it, and the
// signature in WebAssembly's types.
func directives(t *testing.T, file *ast.File, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Doc == nil {
			continue
		}
		for _, comment := range f.Doc.List {
			name, ok := strings.CutPrefix(comment.Text, prefix)
			if !ok {
				continue
			}
			require.NotContains(t, found, name, "declared twice")
			found[name] = signature(wasmTypes(t, f.Type.Params), wasmTypes(t, f.Type.Results))
		}
	}
	require.Len(t, found, strings.Count(comments(file), prefix), "a directive that is not above a function")
	return found
}

func comments(file *ast.File) string {
	var all strings.Builder
	for _, group := range file.Comments {
		for _, comment := range group.List {
			all.WriteString(comment.Text + "\n")
		}
	}
	return all.String()
}

func wasmTypes(t *testing.T, fields *ast.FieldList) []string {
	t.Helper()
	var types []string
	for _, goType := range goTypes(fields) {
		switch goType {
		case "int32", "uint32", "unsafe.Pointer":
			types = append(types, string(abi.I32))
		case "int64", "uint64":
			types = append(types, string(abi.I64))
		default:
			require.Fail(t, "a type that does not cross the boundary", goType)
		}
	}
	return types
}

// goTypes lists the types of parameters or results, once for each of them.
func goTypes(fields *ast.FieldList) []string {
	var types []string
	if fields == nil {
		return nil
	}
	for _, field := range fields.List {
		for range max(len(field.Names), 1) {
			types = append(types, goType(field.Type))
		}
	}
	return types
}

func goType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return goType(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + goType(e.Elt)
	case *ast.StarExpr:
		return goType(e.X)
	}
	return fmt.Sprintf("%T", e)
}

// methods lists the methods of a type, with their signatures in Go's types.
func methods(file *ast.File, receiver string) map[string]string {
	found := map[string]string{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && goType(f.Recv.List[0].Type) == receiver {
			found[f.Name.Name] = signature(goTypes(f.Type.Params), goTypes(f.Type.Results))
		}
	}
	return found
}
