package host_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// describe prepares and describes a module.
func describe(ctx context.Context, t *testing.T, m *module) ([]byte, error) {
	t.Helper()
	return sharedEngine().Describe(ctx, m.attempt(t).Digest)
}

const failedToDeclare = "it failed to declare its definitions: "

func TestDescribeFails(t *testing.T) {
	m := newModule()
	panics := join(m.write(2, "panic: guest: HandleRaw(\"X\"): a name begins with a letter\n\ngoroutine 1\n"), drop, m.call("proc_exit", 2))
	large := newModule(done).set(abi.ExportDescribe, m.call("output", 0, 2<<20, 0, 0))
	large.memory = limits(40)
	for _, test := range []struct {
		name string
		m    *module
		says []string
	}{
		{"trap", newModule(done).set(abi.ExportDescribe, unreachable), []string{"wasm error: unreachable", "\n\t"}},
		{"trap in _initialize", newModule(done).add(abi.ExportInitialize, load(0xfffffff0), drop), []string{"out of bounds memory access"}},
		{"panic in _initialize", m.run(done).add(abi.ExportInitialize, panics), []string{`panic: guest: HandleRaw("X"): a name begins with a letter` + "\n\t", "goroutine 1"}},
		{"exit", newModule(done).set(abi.ExportDescribe, m.call("proc_exit", 0)), []string{"the guest exited with code 0"}},
		{"forged stop", newModule(done).set(abi.ExportDescribe, m.call("proc_exit", 0xefffffff)), []string{"the guest exited with code 4026531839"}},
		{"2 MiB", large, []string{"limit result: ", "over 1 MiB"}},
		{"bad pointer", newModule(done).set(abi.ExportDescribe, m.call("output", 0xfffffff0, 16, 0, 0)), []string{"taskhost_v1.output was passed 16 bytes at 0xfffffff0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifest, err := describe(context.Background(), t, test.m)
			requireModuleError(t, err, append(test.says, failedToDeclare)...)
			require.Nil(t, manifest)
		})
	}
}

// A module that needs more than the default can say so.
func TestDescribeOfLargeMemory(t *testing.T) {
	m := newModule(done)
	m.memory = limits(1025)
	_, err := describe(t.Context(), t, m)
	require.NoError(t, err)
	least, err := sharedEngine().MinMemory(t.Context(), m.attempt(t).Digest)
	require.NoError(t, err)
	require.EqualValues(t, 1025<<16, least)
}

// A module that pushes nothing has declared nothing, and its author is told.
func TestDescribeOfNothing(t *testing.T) {
	_, err := describe(context.Background(), t, newModule(done).set(abi.ExportDescribe))
	requireModuleError(t, err)
	m := newModule(done)
	_, err = describe(context.Background(), t, m.set(abi.ExportDescribe, m.output("")))
	requireModuleError(t, err)
}

func TestDescribeAtTheLimit(t *testing.T) {
	m := newModule(done)
	m.memory = limits(40)
	manifest, err := describe(context.Background(), t, m.set(abi.ExportDescribe, m.call("output", 0, 1<<20, 0, 0)))
	require.NoError(t, err)
	require.Len(t, manifest, 1<<20)
}

// A module that does not come to an end is stopped with the context.
func TestDescribeStops(t *testing.T) {
	start := newModule(done).add("", forever)
	start.start = true
	for name, m := range map[string]*module{
		"taskhost_describe": newModule(done).set(abi.ExportDescribe, forever),
		"_initialize":       newModule(done).add(abi.ExportInitialize, forever),
		"start function":    start,
	} {
		t.Run(name, func(t *testing.T) {
			var digest string
			host.Impatiently(sharedEngine(), func() { digest = m.attempt(t).Digest })
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			manifest, err := sharedEngine().Describe(ctx, digest)
			deadline, _ := ctx.Deadline()
			late := time.Since(deadline)
			t.Logf("stopped %v after", late)
			require.Nil(t, manifest)
			requireModuleError(t, err, "context deadline exceeded")
			require.GreaterOrEqual(t, late, time.Duration(0))
			require.Less(t, late, tooLate)
			cancel()
			goleak.VerifyNone(t)
		})
	}
}

// Without a deadline there is one all the same. The clock is a fake, so the
// guest has to sleep and not to loop.
func TestDescribeTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, host.Config{})
		m := newModule(done)
		m.data = append(m.data, make([]byte, 48)...)
		at := uint32(len(m.data)) - 48
		m.data[at+16] = 1 // the monotonic clock
		m.data[at+30] = 1 // 2^48 ns, a little over three days
		require.NoError(t, e.Prepare(t.Context(), "asleep", m.set(abi.ExportDescribe, m.call("poll_oneoff", at, 4096, 1, 8192), drop).bytes()))
		start := time.Now()
		_, err := e.Describe(t.Context(), "asleep")
		requireModuleError(t, err, failedToDeclare+"it took longer than 10s")
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestDescribeUnprepared(t *testing.T) {
	_, err := sharedEngine().Describe(context.Background(), "unknown")
	require.ErrorContains(t, err, "module unknown has not been prepared")
}
