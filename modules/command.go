package modules

import (
	"fmt"

	"github.com/taskhost/taskhost/task"
)

// CommandDefinition is the one definition of a WASI command. A program that
// knows nothing of tasks declares neither a name nor options: it is called as
// its module is, and has the defaults, as far as the ceilings allow.
func CommandDefinition(module string, ceilings task.Ceilings) (task.Definition, error) {
	options, err := ceilings.Fit(task.Options{Executor: task.Wasm})
	return task.Definition{
		Name:        module,
		Description: "WASI command",
		Executor:    task.Wasm,
		Options:     options,
	}, err
}

// definitions are those that a module has: its manifest's, or a command's.
func (i *Inspection) definitions(module string, ceilings task.Ceilings) (sdk string, definitions []task.Definition, err error) {
	if !i.Command {
		return ReadManifest(i.Manifest, ceilings)
	}
	if err := task.ValidateName(module); err != nil {
		return "", nil, &task.InvalidError{Field: "name", Problem: fmt.Sprintf("%q is not the name of a task, and the task of a WASI command is called as its module is: push it as words of a-z, 0-9, - and _ joined by dots, starting with a letter", module)}
	}
	def, err := CommandDefinition(module, ceilings)
	return "", []task.Definition{def}, err
}

// checkMemory refuses a definition that allows less memory than the module
// starts with: none of its tasks could run.
func (i *Inspection) checkMemory(definitions []task.Definition) error {
	for _, def := range definitions {
		switch {
		case def.Options.Memory >= i.MinMemory:
		case i.Command:
			return rejected("it starts with %d bytes of memory, and a WASI command may use %d: build it with less", i.MinMemory, def.Options.Memory)
		default:
			return rejected("%s may use %d bytes of memory, but the module starts with %d: raise memory_bytes of the definition", def.Name, def.Options.Memory, i.MinMemory)
		}
	}
	return nil
}
