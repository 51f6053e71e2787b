package host

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/wasi"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// A command is a program that was never written for a task host: it has _start
// and nothing of the contract. It reads its input from standard input, its
// result is what it writes to standard output, and it succeeds by returning or
// by exiting with code 0.

// exportStart is what runs a WASI command.
const exportStart = "_start"

// isCommand reports whether a module is a command. One that exports a function
// of the contract is a guest, or was meant to be one.
func isCommand(file *wasmfile.Module) bool {
	for _, f := range abi.Exports() {
		if _, guest := file.ExportedFunc(f.Name); guest {
			return false
		}
	}
	_, command := file.ExportedFunc(exportStart)
	return command
}

// checkCommand refuses what is half a command and half something else, since
// one half of it would silently count for nothing.
func checkCommand(file *wasmfile.Module) error {
	if have, _ := file.ExportedFunc(exportStart); len(have.Params) > 0 || len(have.Results) > 0 {
		return moduleErrorf("its export %s is %v, but must be without parameters and results", exportStart, have)
	}
	if _, reactor := file.ExportedFunc(abi.ExportInitialize); reactor {
		return moduleErrorf("it exports both %s and %s: a command has the one and a reactor the other, so export one of them", exportStart, abi.ExportInitialize)
	}
	own := slices.IndexFunc(file.Imports, func(i wasmfile.Import) bool { return i.Module == abi.Module })
	if own >= 0 {
		return moduleErrorf("it is a command, with %s, and imports %s.%s: a command has WASI alone, and a guest of the contract exports %s and %s, in Go with -buildmode=c-shared",
			exportStart, abi.Module, file.Imports[own].Name, abi.ExportDescribe, abi.ExportRun)
	}
	return nil
}

// beCommand gives an execution what a command has: its input on standard input,
// and pipes for streams, since programs colour what they write to a terminal
// and do not read what may never come from one.
func (x *execution) beCommand() {
	x.command = true
	x.wasi = wasi.Execution{
		Args:   []string{x.attempt.Name},
		Stdin:  x.attempt.Input,
		Stdout: (*resultWriter)(x),
		Stderr: &x.stderr,
		Pipes:  true,
	}
}

// resultWriter is the standard output of a command.
type resultWriter execution

// Write ends the command where its result becomes larger than one may be.
func (w *resultWriter) Write(p []byte) (int, error) {
	x := (*execution)(w)
	if limit := x.attempt.Limits.Output; len(p) > limit-len(x.output) {
		x.stopWith(resultLimit(limit))
	}
	x.output = append(x.output, p...)
	return len(p), nil
}

// endCommand decides how a command ended, by what the host has seen of it. The
// error is that of the call: an exit is one, whatever its code.
func (x *execution) endCommand(err error) error {
	if code, exited := x.commandExit(); exited && code == 0 {
		err = nil
	}
	if err == nil && len(x.output) > 0 {
		x.outputType = guessType(x.output)
	}
	return err
}

// commandExit is the code that a command ended itself with, where it did.
func (x *execution) commandExit() (code uint32, exited bool) {
	code, exited = x.wasi.Exit()
	return code, exited && x.command
}

// exitMessage is a command's exit and what it said last. The panic of a language
// runtime says more than the end of the trace that follows it.
func (x *execution) exitMessage(code uint32) string {
	message := fmt.Sprintf("exit code %d", code)
	said := x.stderr.reason
	if said == "" {
		said = lastLine(x.stderr.text())
	}
	if said != "" {
		message += ": " + said
	}
	return capped(message, maxMessage)
}

// lastLine is the last line of a text that is not blank.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// guessType names the content type of what a program wrote, which it cannot say
// itself.
func guessType(output []byte) string {
	switch {
	case !utf8.Valid(output):
		return "application/octet-stream"
	case json.Valid(output):
		return abi.ContentJSON
	default:
		return "text/plain; charset=utf-8"
	}
}
