package host

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/wasi"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// pageSize is the size of a page of linear memory, in bytes.
const pageSize = 64 << 10

// check reads a module and holds it against the contract, before wazero sees
// it.
func check(wasm []byte) (*wasmfile.Module, error) {
	file, err := wasmfile.Read(wasm)
	if err != nil {
		return nil, &ModuleError{Reason: err.Error(), Err: err}
	}
	if err := checkImports(file); err != nil {
		return nil, err
	}
	return file, checkExports(file)
}

// mostNamed is how many imports an error names.
const mostNamed = 5

func checkImports(file *wasmfile.Module) error {
	var unknown []string
	for _, imp := range file.Imports {
		want, known := importSignature(imp.Module, imp.Name)
		switch {
		case imp.Kind != wasmfile.KindFunc || !known:
			unknown = append(unknown, quoted(imp.Module)+"."+quoted(imp.Name))
		case want.String() != imp.Func.String():
			return moduleErrorf("it imports %s.%s as %v, but that is %v: build it against this version of the contract", imp.Module, imp.Name, imp.Func, want)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	more := ""
	if len(unknown) > mostNamed {
		more = fmt.Sprintf(" and %d more", len(unknown)-mostNamed)
	}
	return moduleErrorf("it imports what no host function provides: %s%s: only functions of %s and %s can be imported",
		strings.Join(unknown[:min(len(unknown), mostNamed)], ", "), more, abi.Module, wasi.ModuleName)
}

// quoted writes a stranger's name so that it is safe to print.
func quoted(name string) string { return strings.Trim(fmt.Sprintf("%.60q", name), `"`) }

func importSignature(module, name string) (wasmfile.FuncType, bool) {
	switch module {
	case abi.Module:
		for _, f := range abi.Imports() {
			if f.Name == name {
				return signature(f), true
			}
		}
	case wasi.ModuleName:
		params, results, ok := wasi.Signature(name)
		return wasmfile.FuncType{Params: valTypes(params), Results: valTypes(results)}, ok
	}
	return wasmfile.FuncType{}, false
}

func checkExports(file *wasmfile.Module) error {
	hasMemory := slices.ContainsFunc(file.Exports, func(x wasmfile.Export) bool {
		return x.Name == abi.ExportMemory && x.Kind == wasmfile.KindMemory
	})
	if !hasMemory {
		return moduleErrorf("it exports no memory named %q", abi.ExportMemory)
	}
	if err := checkOwn(file); err != nil {
		return err
	}
	if isCommand(file) {
		return checkCommand(file)
	}
	for _, f := range abi.Exports() {
		have, ok := file.ExportedFunc(f.Name)
		if !ok {
			return moduleErrorf("it declares no definitions: it exports no function %s: build it with the guest SDK, in Go with -buildmode=c-shared, or as a WASI command, which exports %s", f.Name, exportStart)
		}
		if want := signature(f); have.String() != want.String() {
			return moduleErrorf("its export %s is %v, but must be %v", f.Name, have, want)
		}
	}
	have, reactor := file.ExportedFunc(abi.ExportInitialize)
	if _, command := file.ExportedFunc(exportStart); command && !reactor {
		return moduleErrorf("it is a guest built as a command, with %s and without %s: build it as a reactor, in Go with -buildmode=c-shared", exportStart, abi.ExportInitialize)
	}
	if reactor && (len(have.Params) > 0 || len(have.Results) > 0) {
		return moduleErrorf("its export %s is %v, but must be without parameters and results", abi.ExportInitialize, have)
	}
	return nil
}

// checkOwn refuses a module that exports a host function under a name that the
// host calls: the host function would then take the host module for the guest. It
// also refuses names that the host gives to what it adds.
func checkOwn(file *wasmfile.Module) error {
	var imported uint32
	for _, imp := range file.Imports {
		if imp.Kind == wasmfile.KindFunc {
			imported++
		}
	}
	for _, export := range file.Exports {
		if fuel.Reserved(export.Name) {
			return moduleErrorf("it exports %s: names that begin with %q are the host's own", quoted(export.Name), fuel.Prefix)
		}
		if export.Kind == wasmfile.KindFunc && export.Index < imported {
			return moduleErrorf("it exports the host function that it imports as number %d, as %s: export functions of its own", export.Index, quoted(export.Name))
		}
	}
	return nil
}

func signature(f abi.Func) wasmfile.FuncType {
	params := make([]abi.Type, len(f.Params))
	for i, p := range f.Params {
		params[i] = p.Type
	}
	return wasmfile.FuncType{Params: valTypes(wazeroTypes(params)), Results: valTypes(wazeroTypes(f.Results))}
}

func wazeroTypes(types []abi.Type) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueTypeI32
		if t == abi.I64 {
			out[i] = api.ValueTypeI64
		}
	}
	return out
}

// valTypes converts: both packages number value types as the format does.
func valTypes(types []api.ValueType) []wasmfile.ValType {
	out := make([]wasmfile.ValType, len(types))
	for i, t := range types {
		out[i] = wasmfile.ValType(t)
	}
	return out
}

func moduleErrorf(format string, args ...any) error {
	return &ModuleError{Reason: fmt.Sprintf(format, args...)}
}
