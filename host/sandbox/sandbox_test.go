package sandbox_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

func TestMain(m *testing.M) {
	if sandbox.IsWorker() {
		os.Exit(sandbox.Work()) //nolint:forbidigo // this process is a worker, and not the tests
	}
	goleak.VerifyTestMain(m)
}

func newPool(t testing.TB, config sandbox.Config) *sandbox.Pool {
	t.Helper()
	p, err := sandbox.New(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

type nowhere struct{ lines []host.LogLine }

func (n *nowhere) Log(_ context.Context, line host.LogLine) { n.lines = append(n.lines, line) }

func TestRaw(t *testing.T) {
	p := newPool(t, sandbox.Config{})
	t.Log(p.Walls())
	for _, guest := range []string{"raw-c", "raw-go"} {
		wasm := guestbuild.Build(t, "../testdata/"+guest)
		start := time.Now()
		found, err := p.Inspect(t.Context(), guest, wasm)
		require.NoError(t, err)
		t.Log("inspect", time.Since(start), string(found.Manifest))
		for range 3 {
			start = time.Now()
			out := p.Execute(t.Context(), host.Attempt{Digest: guest, Input: []byte("hello"), Name: "raw"}, &nowhere{})
			require.Nil(t, out.Failure, "%+v", out.Failure)
			require.Equal(t, "hello", string(out.Output))
			t.Log("execute", time.Since(start), out.Usage)
		}
	}
	t.Log(p.Stats())
}
