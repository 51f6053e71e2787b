package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/fuel"
)

const (
	// maxMessage and maxTrace bound the texts of a failure, in bytes.
	maxMessage = 4 << 10
	maxTrace   = 16 << 10
)

// explain turns the error of a call into a guest into a failure. It goes by
// what the host knows for itself first, since a guest can make an error look
// like a stop.
func (x *execution) explain(ctx context.Context, err error) *Failure {
	var limit *limitError
	var host *hostError
	trap, stack := splitTrap(err.Error())
	trace := joinTraces(x.stderr.text(), stack)
	ending := x.ending(trap)
	_, exited := x.commandExit()
	switch {
	case x.stopped != nil && !errors.As(x.stopped, &limit):
		return &Failure{Kind: KindTrap, Message: x.stopped.Error(), Trace: trace}
	case errors.As(x.stopped, &limit), errors.As(err, &limit):
		return &Failure{Kind: KindLimit, Message: limit.text(x.command), Trace: trace}
	case x.meterLimit() != nil:
		return &Failure{Kind: KindLimit, Message: x.meterLimit().text(x.command), Trace: trace}
	case errors.As(err, &host):
		return &Failure{Kind: KindHost, Message: host.Error()}
	case exited && !x.refused:
		return &Failure{Kind: KindError, Message: ending, Trace: trace}
	case ctx.Err() != nil && !exited:
		return &Failure{Kind: KindStopped, Message: context.Cause(ctx).Error(), Trace: trace}
	case x.refused:
		return &Failure{Kind: KindLimit, Message: x.memoryLimit("it was refused more, and ended with: " + ending).Error(), Trace: trace}
	default:
		return &Failure{Kind: KindTrap, Message: ending, Trace: trace}
	}
}

// ending is how a guest broke off, in its own words where it has any.
func (x *execution) ending(trap string) string {
	if code, exited := x.commandExit(); exited {
		return x.exitMessage(code)
	}
	if x.stderr.reason != "" {
		return x.stderr.reason
	}
	if code, exited := x.wasi.Exit(); exited {
		return fmt.Sprintf("the guest exited with code %d", code)
	}
	return trap
}

func (x *execution) memoryLimit(what string) *limitError {
	hint := fmt.Sprintf("give the definition more memory (at most %s), or have it use less", bytesText(MaxMemory))
	if x.command {
		hint = "have it use less, or build it as a guest, whose definition can ask for more"
	}
	return &limitError{
		limit: "memory",
		max:   bytesText(x.attempt.Limits.Memory) + " (" + what + ")",
		hint:  hint,
	}
}

// splitTrap takes wazero's error apart: what happened, and the guest's stack.
// The host's own stack, which follows a panic of a host function, is cut.
func splitTrap(text string) (trap, stack string) {
	text, _, _ = strings.Cut(text, "\n\nGo runtime stack trace:")
	trap, stack, _ = strings.Cut(text, "\nwasm stack trace:\n")
	trap = strings.TrimSuffix(trap, " (recovered by wazero)")
	return capped(trap, maxMessage), capped(stack, maxTrace)
}

func joinTraces(stderr, stack string) string {
	stderr = capped(strings.TrimSpace(stderr), maxTrace)
	stack = strings.TrimRight(stack, "\n")
	switch {
	case stderr == "":
		return stack
	case stack == "":
		return stderr
	default:
		return capped(stderr+"\n\nwasm stack:\n"+stack, maxTrace)
	}
}

// clean makes a stranger's text safe to print and store: valid UTF-8, and
// without control characters other than line ends and tabs. It can come out
// longer.
func clean(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// capped is a text that is clean, and at most limit bytes.
func capped[T string | []byte](text T, limit int) string {
	return cut(clean(string(text[:min(len(text), limit)])), limit)
}

// cut shortens valid text to at most limit bytes, between characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// indented sets a trace off from the message before it.
func indented(trace string) string {
	if trace == "" {
		return ""
	}
	return "\n\t" + strings.ReplaceAll(trace, "\n", "\n\t")
}

// meterLimit says which of the limits of the meter a guest ran into, nil for none.
func (x *execution) meterLimit() *limitError {
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

// Clean makes a stranger's text safe to print and store: valid UTF-8 of at most limit
// bytes, without control characters other than line ends and tabs.
func Clean(text string, limit int) string { return capped(text, limit) }
