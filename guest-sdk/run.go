package guest

import (
	"bytes"
	"runtime"
	"strconv"

	"github.com/taskhost/taskhost/abi"
)

// maxTraceBytes bounds the stack that goes with a panic. The innermost calls
// come first, so what is cut is the least telling.
const maxTraceBytes = 16 << 10

// describe answers taskhost_describe.
func describe(h host) {
	h.Output(appendManifest(nil, definitions), abi.ContentJSON)
}

// run answers taskhost_run: it runs the definition at an index, once.
func run(h host, index uint32) (status uint32) {
	if uint64(index) >= uint64(len(definitions)) {
		h.Fail(abi.Permanent, "guest: there is no definition "+strconv.FormatUint(uint64(index), 10)+
			", the module has "+strconv.Itoa(len(definitions)), "")
		return abi.RunFailed
	}
	defer func() {
		if reason := recover(); reason != nil {
			h.Fail(abi.Retryable, "panic: "+panicText(reason), panicTrace())
			status = abi.RunFailed
		}
	}()
	for _, renew := range onExecution {
		renew()
	}
	d := &definitions[index]
	ctx := Context{&execution{host: h, definition: d}}
	result, err := d.handle(ctx, ctx.value(abi.ValueInput))
	if err != nil {
		h.Fail(failureKind(err), err.Error(), "")
		return abi.RunFailed
	}
	if result != nil {
		h.Output(result, ctx.run.outputType)
	}
	return abi.RunDone
}

func failureKind(err error) uint32 {
	if IsPermanent(err) {
		return abi.Permanent
	}
	return abi.Retryable
}

// panicText says what a handler panicked with: an error or a string in its own
// words, anything else as a log field would have it.
func panicText(reason any) (text string) {
	defer func() {
		if recover() != nil {
			text = "(a value whose own text panics)"
		}
	}()
	switch reason := reason.(type) {
	case error:
		return reason.Error()
	case string:
		return reason
	default:
		return string(appendAny(nil, reason))
	}
}

// panicTrace returns the stack of the goroutine that is panicking, from the
// call that panicked outwards: what stands above it is the recovery.
func panicTrace() string {
	stack := make([]byte, maxTraceBytes)
	stack = stack[:runtime.Stack(stack, false)]
	_, below, found := bytes.Cut(stack, []byte("\npanic("))
	if !found {
		return string(stack)
	}
	for range 2 { // the rest of panic's own line, and where panic is
		if _, next, ok := bytes.Cut(below, []byte("\n")); ok {
			below = next
		}
	}
	return string(below)
}
