package host

import (
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// instrumented is a module as it is compiled, and what the host knows of it.
type instrumented struct {
	code  []byte
	image *snapshot.Module
	// resets is false where an instance keeps what cannot be taken back.
	resets bool
}

// instrument rewrites a module that has been read, before it is compiled: it counts
// its work and can be stopped, its tables are bounded, and its state can be taken
// back.
func (e *Engine) instrument(file *wasmfile.Module, wasm []byte) (*instrumented, error) {
	if e.onCompile != nil {
		e.onCompile()
	}
	image, err := snapshot.Prepare(file, wasm)
	if err != nil {
		return nil, &ModuleError{Reason: "it cannot be instantiated: " + err.Error(), Err: err}
	}
	counting, err := fuel.NewRewriter(file)
	if err != nil {
		return nil, uncountable(err)
	}
	code, err := file.Edit(wasm, boundTables(file), image.Edit(file), counting.Edit)
	if err != nil {
		return nil, uncountable(err)
	}
	return &instrumented{code, image, image.Whole && !counting.KeepsMore()}, nil
}

func uncountable(err error) error {
	if refusal := (*ModuleError)(nil); errors.As(err, &refusal) {
		return err
	}
	return &ModuleError{Reason: fmt.Sprintf("it cannot be made to count its work: %v", err), Err: err}
}
