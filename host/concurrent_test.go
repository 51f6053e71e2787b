package host_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// TestConcurrentExecutions runs attempts of many kinds at once. Each gets what
// is its own, and nothing of another's.
func TestConcurrentExecutions(t *testing.T) {
	const count = 200
	// The module answers and logs its input, which it reads to address 1024.
	m, input := newModule(), []byte{0x20, 0} // the parameter has the length
	read := join(constant(abi.ValueInput), constant(1024), constant(1000), m.call("value_read"), []byte{0x21, 0})
	one := join(constant(abi.LevelWarn), constant(1024), input, constant(0), constant(0), m.call("log"))
	push := join(constant(1024), input, constant(0), constant(0), m.call("output"))
	small := m.run(read, one, one, push, done).attempt(t)
	trap := m.run(read, one, unreachable).attempt(t)
	loop := m.run(read, one, forever, done).attempt(t)

	kinds := []func(t *testing.T, id string){
		func(t *testing.T, id string) {
			out, log := succeed(t, with(small, id))
			require.Equal(t, id, string(out.Output))
			require.Equal(t, []string{id, id}, log.messages())
		},
		func(t *testing.T, id string) {
			out, _ := succeed(t, goAttempt(t, "echo", strings.Repeat(id, 1000)))
			require.Equal(t, strings.Repeat(id, 1000), string(out.Output))
		},
		func(t *testing.T, id string) {
			_, log := succeed(t, goAttempt(t, "logs", id))
			require.Equal(t, []string{id, id, id, id}, log.messages())
		},
		func(t *testing.T, id string) {
			require.Equal(t, id, fail(t, host.KindError, goAttempt(t, "fail", id)).Message)
		},
		func(t *testing.T, id string) {
			require.Equal(t, "panic: "+id, fail(t, host.KindError, goAttempt(t, "panic", id)).Message)
		},
		func(t *testing.T, id string) {
			out, log := execute(t, with(trap, id))
			requireFailure(t, host.KindTrap, out)
			require.Contains(t, out.Failure.Message, "unreachable")
			require.Equal(t, []string{id}, log.messages())
		},
		func(t *testing.T, id string) {
			ctx, cancel := context.WithCancelCause(context.Background())
			log := &logged{first: func() { cancel(fmt.Errorf("stop %s", id)) }}
			out := sharedEngine().Execute(ctx, with(loop, id), log)
			requireFailure(t, host.KindStopped, out)
			require.Equal(t, "stop "+id, out.Failure.Message)
			require.Equal(t, []string{id}, log.messages())
		},
		func(t *testing.T, id string) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			out := sharedEngine().Execute(ctx, goAttempt(t, "spin", id), &logged{})
			requireFailure(t, host.KindStopped, out)
		},
	}
	goAttempt(t, "echo", "") // builds the guest

	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range count {
		wg.Go(func() {
			<-begin
			id := fmt.Sprintf("<%d>", i)
			// A test of its own, so that what fails ends this one alone.
			t.Run(id, func(t *testing.T) { kinds[i%len(kinds)](t, id) })
		})
	}
	close(begin)
	wg.Wait()
}

func with(attempt host.Attempt, input string) host.Attempt {
	attempt.Input = []byte(input)
	return attempt
}
