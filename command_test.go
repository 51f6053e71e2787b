package taskhost_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// commandModule is a WASI command, written out by hand: it copies its input to
// standard output, writes a note to standard error, and exits with 3 where there
// is no input.
func commandModule() []byte {
	const wasi = "wasi_snapshot_preview1"
	four, drop := []byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f}, []byte{0x1a}
	call := func(function byte, fd, buffers, count byte) []byte {
		return slices.Concat([]byte{0x41, fd, 0x41, buffers, 0x41, 1, 0x41, count, 0x10, function}, drop)
	}
	start := slices.Concat(
		[]byte{0},                              // no locals
		call(0, 0, 0, 8),                       // fd_read, to 1024
		[]byte{0x41, 20, 0x41, 8, 0x28, 2, 0},  // as much
		[]byte{0x36, 2, 0}, call(1, 1, 16, 12), // is written
		call(1, 2, 32, 12),                         // the note
		[]byte{0x41, 8, 0x28, 2, 0, 0x45},          // if nothing was read
		[]byte{0x04, 0x40, 0x41, 3, 0x10, 2, 0x0b}, // proc_exit
		[]byte{0x0b},
	)
	data := slices.Concat(
		[]byte{0, 4, 0, 0, 0, 0xf0, 0, 0}, make([]byte, 8), // 1024, 61440
		[]byte{0, 4, 0, 0, 0, 0, 0, 0}, make([]byte, 8),
		[]byte{48, 0, 0, 0, 5, 0, 0, 0}, make([]byte, 8), []byte("note\n"),
	)
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		wasmSection(1, []byte{3}, four, []byte{0x60, 1, 0x7f, 0}, []byte{0x60, 0, 0}),
		wasmSection(2, []byte{3}, wasmName(wasi), wasmName("fd_read"), []byte{0, 0}, wasmName(wasi), wasmName("fd_write"), []byte{0, 0}, wasmName(wasi), wasmName("proc_exit"), []byte{0, 1}),
		wasmSection(3, []byte{1, 2}),
		wasmSection(5, []byte{1, 0, 1}),
		wasmSection(7, []byte{2}, wasmName("memory"), []byte{2, 0}, wasmName("_start"), []byte{0, 3}),
		wasmSection(10, []byte{1}, leb(len(start)), start),
		wasmSection(11, []byte{1, 0, 0x41, 0, 0x0b}, wasmName(string(data))),
	)
}

// A program that was not written for a task host is one task, which is called
// as its module is.
func TestCommandIsATask(t *testing.T) {
	t.Parallel()
	config := taskhost.Config{Database: filepath.Join(t.TempDir(), "tasks.db")}
	h := newHost(t, config)
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	version, err := h.Modules().Push(t.Context(), "text.echo", commandModule())
	require.NoError(t, err)
	definition, err := modules.CommandDefinition("text.echo", task.Ceilings{})
	require.NoError(t, err)
	definition.Module = &task.ModuleRef{Name: "text.echo", Version: 1, Digest: version.Digest}
	require.Equal(t, []task.Definition{definition}, version.Definitions)
	definitions, err := h.Definitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, definition, definitions[1])

	requireEcho(t, h, " {\"a\" : 1}\n", "application/json")
	requireEcho(t, h, "[1e400, \"ü\"]", "application/json")
	failed, err := h.EnqueueRequest(t.Context(), task.Request{Name: "text.echo"})
	require.NoError(t, err)
	got := await(t, h, failed)
	require.Equal(t, task.Failed, got.Status)
	require.Equal(t, task.CauseError, got.Cause)
	require.Equal(t, "exit code 3: note", got.Error)

	_, err = h.Modules().Push(t.Context(), "3d", commandModule())
	var invalid *task.InvalidError
	require.ErrorAs(t, err, &invalid)
	_, err = h.Modules().Push(t.Context(), "greet", commandModule())
	var conflict *task.ConflictError
	require.ErrorAs(t, err, &conflict, "a Go function has the name")

	stop(t, h)
	h = newHost(t, config)
	start(t, h)
	requireEcho(t, h, `"after the restart"`, "application/json")
}

func requireEcho(t *testing.T, h *taskhost.Host, args, contentType string) {
	t.Helper()
	id, err := h.EnqueueRequest(t.Context(), task.Request{Name: "text.echo", Args: []byte(args)})
	require.NoError(t, err)
	got := await(t, h, id)
	require.Equal(t, task.Success, got.Status, got.Error)
	require.Equal(t, task.Wasm, got.Executor)
	result, have, err := h.Result(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, args, string(result), "byte for byte")
	require.Equal(t, contentType, have)
	logs, err := h.Logs(t.Context(), id, 0, 10)
	require.NoError(t, err)
	require.Len(t, logs, 1)
	require.Equal(t, "note", logs[0].Message)
	require.Equal(t, task.Warn, logs[0].Level)
}
