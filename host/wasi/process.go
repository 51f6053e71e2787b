package wasi

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

func procExit(ctx context.Context, _ api.Module, stack []uint64) {
	code := uint32(stack[0])
	if e := executionOf(ctx); e != nil {
		e.exitCode, e.exited = code, true
	}
	if code == sys.ExitCodeContextCanceled || code == sys.ExitCodeDeadlineExceeded {
		code = 1
	}
	end(code)
}

// endIfDone ends the guest if the context of the call is done.
func endIfDone(ctx context.Context) {
	switch err := ctx.Err(); {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		end(sys.ExitCodeDeadlineExceeded)
	default:
		end(sys.ExitCodeContextCanceled)
	}
}

// end does not return: compilers put no code after a call to proc_exit that would
// be fit to run. The panic is how wazero wants to be told, and becomes the error of
// the call into the guest. The instance is not closed, as it would be by wazero's own
// WASI: the host may want to take it back to an image and use it again.
func end(code uint32) {
	panic(sys.NewExitError(code))
}
