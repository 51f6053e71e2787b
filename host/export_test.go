package host

import (
	"context"
	"maps"
	"slices"
)

// Implemented are the names of the host functions that have a body.
func Implemented() []string { return slices.Sorted(maps.Keys(hostFuncs)) }

// WithoutHostFunc runs f while a host function has no body.
func WithoutHostFunc(name string, f func()) {
	body := hostFuncs[name]
	delete(hostFuncs, name)
	defer func() { hostFuncs[name] = body }()
	f()
}

// OnCompile has f called before each module that the engine compiles.
func OnCompile(e *Engine, f func()) { e.onCompile = f }

// CompileUnchecked has the runtime compile what nothing has looked at.
func CompileUnchecked(e *Engine, wasm []byte) error {
	_, err := e.compile(context.Background(), wasm)
	return err
}
