package host_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

// Many at a time share the work: the module is compiled once.
func TestPrepareIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPreparation(t)
		m := newModule()
		wasm := m.run(m.output("once"), done).bytes()
		for range 20 {
			p.start(t.Context(), wasm)
		}
		synctest.Wait() // one is about to compile, and the others wait for it
		require.Equal(t, 1, p.compiles)
		require.False(t, p.Prepared("shared"))
		impatient, cancel := context.WithCancel(t.Context())
		p.start(impatient, wasm)
		cancel()
		require.ErrorIs(t, <-p.ended, context.Canceled)

		close(p.gate)
		for range 20 {
			require.NoError(t, <-p.ended)
		}
		require.Equal(t, 1, p.compiles)
		out := p.Execute(t.Context(), host.Attempt{Digest: "shared"}, &logged{})
		require.Equal(t, "once", string(out.Output))
	})
}

func TestPrepareFailureIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPreparation(t)
		for range 20 {
			p.start(t.Context(), newModule([]byte{0x42, 0}).bytes())
		}
		synctest.Wait()
		require.Equal(t, 1, p.compiles)
		close(p.gate)
		for range 20 {
			require.ErrorContains(t, <-p.ended, "it cannot be compiled: ")
		}
		require.Equal(t, 1, p.compiles)
		require.False(t, p.Prepared("shared"))
		require.NoError(t, p.Prepare(t.Context(), "shared", newModule(done).bytes()))
		require.Equal(t, 2, p.compiles)
	})
}

// The context of one caller is not that of the others who wait for its work.
func TestPrepareCancelledForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPreparation(t)
		wasm := newModule(done).bytes()
		ctx, cancel := context.WithCancel(t.Context())
		p.start(ctx, wasm)
		synctest.Wait()
		p.start(t.Context(), wasm)
		synctest.Wait()
		cancel()
		close(p.gate)
		errs := []error{<-p.ended, <-p.ended}
		if errs[0] == nil {
			errs[0], errs[1] = errs[1], errs[0]
		}
		require.ErrorIs(t, errs[0], context.Canceled)
		require.NoError(t, errs[1], "the one that was not cancelled")
		require.True(t, p.Prepared("shared"))
	})
}

// An attempt at a module that is still being prepared waits for it, and no
// longer than its context allows.
func TestExecuteDuringPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPreparation(t)
		m := newModule()
		p.start(t.Context(), m.run(m.output("worth the wait"), done).bytes())
		synctest.Wait()
		outcomes := make(chan host.Outcome, 2)
		execute := func(ctx context.Context) {
			go func() { outcomes <- p.Execute(ctx, host.Attempt{Digest: "shared"}, &logged{}) }()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		execute(ctx)
		<-ctx.Done() // by the fake clock
		synctest.Wait()
		inTime := len(outcomes)
		execute(t.Context())
		synctest.Wait()
		close(p.gate)
		require.NoError(t, <-p.ended)
		impatient, patient := <-outcomes, <-outcomes
		require.Equal(t, 1, inTime, "an outcome when the context ended")
		requireFailure(t, host.KindStopped, impatient)
		require.Equal(t, "worth the wait", string(patient.Output))
	})
}

// preparation holds compilations back until the gate is closed.
type preparation struct {
	*host.Engine
	gate     chan struct{}
	ended    chan error
	compiles int
}

func newPreparation(t *testing.T) *preparation {
	p := &preparation{Engine: newEngine(t, host.Config{}), gate: make(chan struct{}), ended: make(chan error)}
	host.OnCompile(p.Engine, func() {
		p.compiles++
		<-p.gate
	})
	return p
}

func (p *preparation) start(ctx context.Context, wasm []byte) {
	go func() { p.ended <- p.Prepare(ctx, "shared", wasm) }()
}

// Compilation that takes too long is the module's fault, and its author's to
// mend. One that was called off is not. Both hold on one processor, too.
func TestPrepareStops(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	wasm := newModule(done).bytes()
	for _, processors := range []int{1, 2} {
		runtime.GOMAXPROCS(processors)
		e := newEngine(t, host.Config{})
		ctx, cancel := context.WithDeadline(context.Background(), time.Now())
		err := e.Prepare(ctx, "d", wasm)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, "%d processors", processors)
		requireModuleError(t, err, "limit compile time: the module takes too long to compile")

		ctx, cancel = context.WithCancel(context.Background())
		cancel()
		err = e.Prepare(ctx, "d", wasm)
		require.ErrorIs(t, err, context.Canceled)
		var refusal *host.ModuleError
		require.NotErrorAs(t, err, &refusal)
		require.NotContains(t, err.Error(), "takes too long")
		require.False(t, e.Prepared("d"))
		require.NoError(t, e.Prepare(context.Background(), "d", wasm))
	}
}
