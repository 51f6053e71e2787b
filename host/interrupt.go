package host

import (
	"fmt"

	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// instrument rewrites a module that has been read, before it is compiled, so that
// it counts its work and can be stopped.
func (e *Engine) instrument(file *wasmfile.Module, wasm []byte) ([]byte, error) {
	if e.onCompile != nil {
		e.onCompile()
	}
	code, err := boundTables(file, wasm)
	if err != nil {
		return nil, err
	}
	// The sections behind the tables may have moved.
	if file, err = wasmfile.Read(code); err == nil {
		code, err = fuel.Rewrite(file, code)
	}
	if err != nil {
		return nil, &ModuleError{Reason: fmt.Sprintf("it cannot be made to count its work: %v", err), Err: err}
	}
	return code, nil
}

// fuelLimit says which of the limits of the meter a guest ran into, nil for none.
func (x *execution) fuelLimit() *limitError {
	switch x.ended {
	case fuel.OutOfFuel:
		return &limitError{
			limit: "fuel",
			max:   fmt.Sprintf("%d units of work", x.attempt.Limits.Fuel),
			hint:  "have it do less, or split the task",
		}
	case fuel.TooDeep:
		return &limitError{
			limit: "depth",
			max:   fmt.Sprintf("%d calls within calls", x.attempt.Limits.Depth),
			hint:  "have it recurse less deeply, or use a loop",
		}
	default:
		return nil
	}
}
