package host

import "context"

// Inspection is what a prepared module is, for whoever keeps it.
type Inspection struct {
	// Command says that it is a WASI command: it declares no definitions, and all
	// of it is one program that an attempt runs.
	Command bool
	// Manifest is what any other module declares.
	Manifest []byte
	// MinMemory is the memory that it starts with, in bytes.
	MinMemory int64
	// Note says, for its author, why its executions take longer than they would
	// have to. It is empty where they don't.
	Note string
}

// Inspect prepares a module and says what it is. It returns a *ModuleError where the
// module is at fault.
func (e *Engine) Inspect(ctx context.Context, digest string, wasm []byte) (*Inspection, error) {
	if err := e.Prepare(ctx, digest, wasm); err != nil {
		return nil, err
	}
	found, err := new(Inspection), error(nil)
	if found.MinMemory, err = e.MinMemory(ctx, digest); err != nil {
		return nil, err
	}
	if found.Note, err = e.Note(ctx, digest); err != nil {
		return nil, err
	}
	if found.Command, err = e.IsCommand(ctx, digest); err != nil || found.Command {
		return found, err
	}
	found.Manifest, err = e.Describe(ctx, digest)
	return found, err
}

// Check reads a module within bounds and holds it against the contract, as Prepare
// does first, before a runtime sees it. It returns a *ModuleError.
func Check(wasm []byte) error {
	_, err := check(wasm)
	return err
}
