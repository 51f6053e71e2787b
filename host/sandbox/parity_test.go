//go:build linux

package sandbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// Whether a guest runs in the host or in a worker can be told from nothing that comes
// of it: outcome, message, trace, output, fuel, and lines.
func TestBothModesAreOne(t *testing.T) {
	engine, err := host.New(t.Context(), host.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close(context.Background())) })
	p := newPool(t, sandbox.Config{})
	attacks := append(runAttacks(),
		attack{name: "raw-c", wasm: guestbuild.Build(t, "../testdata/raw-c")},
		attack{name: "an echo", wasm: echo().bytes()})
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			inProcess, errInProcess := engine.Inspect(t.Context(), a.name, a.wasm)
			inWorker, errInWorker := p.Inspect(t.Context(), a.name, a.wasm)
			if errInProcess != nil {
				require.EqualError(t, errInWorker, errInProcess.Error())
				return
			}
			require.NoError(t, errInWorker)
			require.Equal(t, inProcess, inWorker)
			if strings.Contains(a.want, "stopped") {
				return // when it is stopped is a matter of chance
			}
			attempt := host.Attempt{
				Digest: a.name, TaskID: "00000000-0000-0000-0000-000000000000", Name: "raw", MaxAttempts: 3, Number: 1,
				Tags: map[string]string{"a": "b"}, Input: []byte("hello"), InputType: "text/plain", Deadline: time.Now().Add(time.Minute),
			}
			var lines, linesOfWorker nowhere
			out := engine.Execute(t.Context(), attempt, &lines)
			outOfWorker := p.Execute(t.Context(), attempt, &linesOfWorker)
			require.Equal(t, out.Usage.Fuel, outOfWorker.Usage.Fuel)
			require.Equal(t, out.Usage.PeakMemory, outOfWorker.Usage.PeakMemory)
			out.Usage, outOfWorker.Usage = host.Usage{}, host.Usage{}
			require.Equal(t, out, outOfWorker)
			require.Equal(t, lines, linesOfWorker)
		})
	}
}
