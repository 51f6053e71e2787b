package host_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// goCommandDigest is what the Go command is prepared under.
const goCommandDigest = "the Go command"

var prepareCommand = sync.OnceValue(func() error {
	wasm, err := buildGo("command", "exe", goCommandDigest)
	if err != nil {
		return err
	}
	return sharedEngine().Prepare(context.Background(), goCommandDigest, wasm)
})

// commandAttempt is an attempt at the Go command, which is told what to do in
// the first line of its input.
func commandAttempt(t testing.TB, input string) host.Attempt {
	t.Helper()
	require.NoError(t, prepareCommand())
	return host.Attempt{Digest: goCommandDigest, Name: "text.command", Input: []byte(input), MaxAttempts: 1, Deadline: time.Now().Add(time.Minute)}
}

func TestGoCommand(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 1<<16-8)
	out, log := succeed(t, commandAttempt(t, `{"do":"copy"}`+"\n"+large))
	require.True(t, bytes.Equal([]byte(large), out.Output))
	require.Equal(t, "text/plain; charset=utf-8", out.OutputType)
	require.Len(t, log.lines, 1)
	require.Equal(t, abi.LevelWarn, log.lines[0].Level)
	require.Regexp(t, ` 1048448 <nil>$`, log.lines[0].Message)

	out, log = succeed(t, commandAttempt(t, `{"do":"look"}`+"\n\nrest"))
	require.JSONEq(t, `{
		"args": ["text.command"], "environ": [], "terminal": false, "stat": "<nil>",
		"rest": "\nrest", "read": "<nil>", "end": "0 EOF", "close": "<nil>", "file": true
	}`, string(out.Output))
	require.Equal(t, byte('\n'), out.Output[len(out.Output)-1], "as the program wrote it")
	require.Equal(t, "application/json", out.OutputType)
	require.Empty(t, log.lines)

	out, _ = succeed(t, commandAttempt(t, `{"do":"exit"}`))
	require.Equal(t, "dropped\n", string(out.Output), "it exits with 0")
}

func TestGoCommandFails(t *testing.T) {
	failure := fail(t, host.KindError, commandAttempt(t, ""))
	require.Regexp(t, `^exit code 1: \S+ \S+ read the order: EOF$`, failure.Message)
	failure = fail(t, host.KindError, commandAttempt(t, `{"do":"exit","code":7}`))
	require.Regexp(t, `^exit code 7: \S+ \S+ about to exit$`, failure.Message)
	require.False(t, failure.Permanent)

	failure = fail(t, host.KindError, commandAttempt(t, `{"do":"panic"}`))
	require.Equal(t, "exit code 2: panic: boom", failure.Message)
	require.Contains(t, failure.Trace, "testdata/command/main.go:")

	failure = fail(t, host.KindLimit, commandAttempt(t, `{"do":"flood"}`))
	require.Contains(t, failure.Message, "limit result: the guest went over 1 MiB")
	failure = fail(t, host.KindLimit, commandAttempt(t, `{"do":"exhaust"}`))
	require.Contains(t, failure.Message, "limit memory: the guest went over 64 MiB (it was refused more, and ended with: exit code 2: fatal error: ")
}

func TestGoCommandStops(t *testing.T) {
	for _, do := range []string{"spin", "sleep"} {
		attempt := commandAttempt(t, `{"do":"`+do+`"}`)
		ctx, cancel := context.WithCancelCause(context.Background())
		var at time.Time
		out := sharedEngine().Execute(ctx, attempt, &logged{first: func() {
			at = time.Now()
			cancel(errors.New("timeout: it took too long"))
		}})
		requireStopped(t, out, "timeout: it took too long", time.Since(at))
	}
}
