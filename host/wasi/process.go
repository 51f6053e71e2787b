package wasi

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

func procExit(ctx context.Context, mod api.Module, stack []uint64) {
	code := uint32(stack[0])
	if e := executionOf(ctx); e != nil {
		e.exitCode, e.exited = code, true
	}
	if code == sys.ExitCodeContextCanceled || code == sys.ExitCodeDeadlineExceeded {
		code = 1
	}
	end(ctx, mod, code)
}

// endIfDone ends the guest if the context of the call is done.
func endIfDone(ctx context.Context, mod api.Module) {
	switch err := ctx.Err(); {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		end(ctx, mod, sys.ExitCodeDeadlineExceeded)
	default:
		end(ctx, mod, sys.ExitCodeContextCanceled)
	}
}

// end closes the module and does not return: compilers put no code after a
// call to proc_exit that would be fit to run. The panic is how wazero wants to
// be told, and becomes the error of the call into the guest.
func end(ctx context.Context, mod api.Module, code uint32) {
	// A guest may export what it imported. When the host calls such an export,
	// the module that wazero takes for the caller is the one that these
	// functions are in. Closing that would take WASI from every other guest.
	if mod.Name() != ModuleName {
		// An error is of no use here: nothing that the guest had could be left
		// open, and the call is about to fail anyway.
		_ = mod.CloseWithExitCode(context.WithoutCancel(ctx), code)
	}
	panic(sys.NewExitError(code))
}
