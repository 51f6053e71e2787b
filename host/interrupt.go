package host

import "github.com/tetratelabs/wazero"

// interrupter is how a running guest is made to stop when its context ends.
type interrupter interface {
	// configure sets up the runtime.
	configure(wazero.RuntimeConfig) wazero.RuntimeConfig
	// instrument rewrites a module that has been read, before it is compiled.
	instrument(wasm []byte) ([]byte, error)
}

// closeOnDone is wazero's own way: compiled code looks, at each turn of a loop,
// whether its module was closed. It makes CPU-heavy guests several times
// slower, and does not see a guest that recurses without a loop or is inside
// one long bulk operation: such a guest runs on past its deadline. So this
// stands for modules that are trusted. RATIONALE.md says what takes its place.
type closeOnDone struct{}

func (closeOnDone) configure(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCloseOnContextDone(true)
}

func (closeOnDone) instrument(wasm []byte) ([]byte, error) { return wasm, nil }
