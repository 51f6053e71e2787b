package wasi

import (
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// ModuleName is the name that guests import WASI preview1 by.
const ModuleName = "wasi_snapshot_preview1"

// Instantiate registers all functions of WASI preview1 in r, those that a task
// does not get too, so that a module that merely mentions them links. It is
// called once per runtime, before guests are instantiated. Closing the runtime
// closes the module that is returned.
func Instantiate(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	builder := r.NewHostModuleBuilder(ModuleName)
	for _, f := range functions {
		builder.NewFunctionBuilder().
			WithGoModuleFunction(f.call, f.params, f.results).
			WithParameterNames(f.names...).
			Export(f.name)
	}
	mod, err := builder.Instantiate(ctx)
	if err != nil {
		return nil, fmt.Errorf("wasi: register %s: %w", ModuleName, err)
	}
	return mod, nil
}

// Signature gives the parameters and results of a function of WASI preview1,
// and whether there is one of that name. It needs no runtime: an import can be
// checked before anything is compiled.
func Signature(name string) (params, results []api.ValueType, ok bool) {
	i := slices.IndexFunc(functions, func(f function) bool { return f.name == name })
	if i < 0 {
		return nil, nil, false
	}
	return slices.Clone(functions[i].params), slices.Clone(functions[i].results), true
}
