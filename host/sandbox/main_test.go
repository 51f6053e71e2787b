//go:build linux

package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
)

// The roles of this program beside that of the tests and that of a worker.
const (
	roleLie      = "lie"
	roleVar      = "TASKHOST_TEST_ROLE"
	roleParent   = "parent"
	roleSyscalls = "syscalls"
)

func TestMain(m *testing.M) {
	code := -1
	switch role := os.Getenv(roleVar); {
	case sandbox.IsWorker() && len(os.Args) == 3 && os.Args[1] == roleLie:
		sandbox.Lie(os.Args[2])
		code = 0
	case sandbox.IsWorker():
		code = sandbox.Work()
	case role != "":
		code = play(role)
	}
	if code >= 0 {
		os.Exit(code) //nolint:forbidigo // this process is not the tests
	}
	goleak.VerifyTestMain(m)
}

func newPool(t testing.TB, config sandbox.Config) *sandbox.Pool {
	t.Helper()
	p, err := sandbox.New(context.Background(), roomy(config))
	return ended(t, p, err)
}

// roomy has workers of a program with the race detector start at all.
func roomy(config sandbox.Config) sandbox.Config {
	if overhead > 0 {
		config.WorkerMemory, config.CompileMemory = overhead, overhead
	}
	return config
}

// ended has a pool closed when the test ends.
func ended(t testing.TB, p *sandbox.Pool, err error) *sandbox.Pool {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() {
		stats := p.Stats()
		require.Equal(t, stats.Idle, stats.Workers, "a worker is lost")
		require.NoError(t, p.Close(context.Background()))
		require.Zero(t, p.Stats().Workers)
	})
	return p
}

type nowhere struct{ lines []host.LogLine }

func (n *nowhere) Log(_ context.Context, line host.LogLine) { n.lines = append(n.lines, line) }

var made atomic.Int64

// attempt prepares a module in a pool, under a digest of its own.
func (m *module) attempt(t testing.TB, p *sandbox.Pool) host.Attempt {
	t.Helper()
	digest := fmt.Sprintf("made-%d", made.Add(1))
	require.NoError(t, p.Prepare(context.Background(), digest, m.bytes()))
	return host.Attempt{Digest: digest, Name: "raw", MaxAttempts: 1}
}

// echo is a module whose definition gives back its input, up to 100 bytes.
func echo() *module {
	m := newModule()
	return m.run(store(1024, m.call("value_read", abi.ValueInput, 2048, 100)),
		constant(2048), load(1024), constant(0), constant(0), []byte{0x10}, leb(m.index("output")), done)
}

func requireEcho(t testing.TB, p *sandbox.Pool, attempt host.Attempt) {
	t.Helper()
	attempt.Input = []byte("hello")
	out := p.Execute(context.Background(), attempt, &nowhere{})
	require.Nil(t, out.Failure, "%+v", out.Failure)
	require.Equal(t, "hello", string(out.Output))
}
