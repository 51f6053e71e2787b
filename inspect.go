package taskhost

import (
	"context"
	"errors"
	"time"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/modules"
)

// inspector lets the library look into modules with the engine.
type inspector struct {
	engine *host.Engine
}

var _ modules.Inspector = inspector{}

// compileTimeout bounds how long a pushed module may take to compile.
const compileTimeout = 60 * time.Second

// Inspect implements [modules.Inspector].
func (i inspector) Inspect(ctx context.Context, digest string, wasm []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	err := i.engine.Prepare(ctx, digest, wasm)
	if err != nil {
		return nil, rejected(err)
	}
	manifest, err := i.engine.Describe(ctx, digest)
	if err != nil {
		return nil, rejected(err)
	}
	return manifest, nil
}

func rejected(err error) error {
	var fault *host.ModuleError
	if errors.As(err, &fault) {
		return &modules.RejectedError{Reason: fault.Reason}
	}
	return err
}
