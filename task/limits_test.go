package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestCeilingsDefaultsAreTheMost(t *testing.T) {
	ceilings := task.Ceilings{}.WithDefaults()
	require.Equal(t, task.Ceilings{
		Timeout: time.Hour, Memory: 1 << 30, Fuel: 0, Depth: 100_000,
		ResultBytes: 16 << 20, LogBytes: 16 << 20, ArgsBytes: 16 << 20,
	}, ceilings)
	require.NoError(t, ceilings.Validate())
}

func TestCeilingsValidate(t *testing.T) {
	for field, changes := range map[string][]func(*task.Ceilings){
		"limits.timeout":   {func(c *task.Ceilings) { c.Timeout = 0 }, func(c *task.Ceilings) { c.Timeout = time.Hour + 1 }},
		"limits.memory":    {func(c *task.Ceilings) { c.Memory = 65535 }, func(c *task.Ceilings) { c.Memory = 1<<30 + 1 }},
		"limits.fuel":      {func(c *task.Ceilings) { c.Fuel = -1 }},
		"limits.depth":     {func(c *task.Ceilings) { c.Depth = 0 }, func(c *task.Ceilings) { c.Depth = 100_001 }},
		"limits.result":    {func(c *task.Ceilings) { c.ResultBytes = 1023 }, func(c *task.Ceilings) { c.ResultBytes = 16<<20 + 1 }},
		"limits.logs":      {func(c *task.Ceilings) { c.LogBytes = 1023 }, func(c *task.Ceilings) { c.LogBytes = 16<<20 + 1 }},
		"limits.arguments": {func(c *task.Ceilings) { c.ArgsBytes = 1023 }, func(c *task.Ceilings) { c.ArgsBytes = 16<<20 + 1 }},
	} {
		for _, change := range changes {
			ceilings := task.Ceilings{}.WithDefaults()
			change(&ceilings)
			requireField(t, ceilings.Validate(), field)
		}
	}
}

func TestFitFillsIn(t *testing.T) {
	asked := task.Options{Executor: task.Wasm, Retries: 3}
	got, err := task.Ceilings{}.Fit(asked)
	require.NoError(t, err)
	require.Equal(t, asked.WithDefaults(), got)

	got, err = task.Ceilings{Timeout: 2 * time.Hour / 3, Memory: 128 << 20, Fuel: 77}.Fit(asked)
	require.NoError(t, err)
	want := asked.WithDefaults()
	want.Fuel = 77
	require.Equal(t, want, got, "a ceiling above a default leaves it, and one of fuel is the default")
}

// Each limit at its ceiling is taken, and above it says what to change.
func TestFitRefusesWhatIsAboveACeiling(t *testing.T) {
	ceilings := task.Ceilings{
		Timeout: 10 * time.Second, Memory: 128 << 20, Fuel: 1000, Depth: 500, ResultBytes: 2 << 20, LogBytes: 64 << 10, ArgsBytes: 3000,
	}
	for want, test := range map[string]struct{ most, above task.Options }{
		"limit timeout: it asks for 10.001s, and this host allows at most 10s: lower its timeout, or raise the host's ceiling limits.timeout": {
			task.Options{Timeout: 10 * time.Second}, task.Options{Timeout: 10*time.Second + time.Millisecond},
		},
		"limit memory: it asks for 256 MiB, and this host allows at most 128 MiB: lower its memory_bytes, or raise the host's ceiling limits.memory": {
			task.Options{Memory: 128 << 20}, task.Options{Memory: 256 << 20},
		},
		"limit fuel: it asks for 1001, and this host allows at most 1000: lower its fuel, or raise the host's ceiling limits.fuel": {
			task.Options{Fuel: 1000}, task.Options{Fuel: 1001},
		},
		"limit depth: it asks for 501, and this host allows at most 500: lower its depth, or raise the host's ceiling limits.depth": {
			task.Options{Depth: 500}, task.Options{Depth: 501},
		},
		"limit result: it asks for 3 MiB, and this host allows at most 2 MiB: lower its result_bytes, or raise the host's ceiling limits.result": {
			task.Options{ResultBytes: 2 << 20}, task.Options{ResultBytes: 3 << 20},
		},
		"limit logs: it asks for 65 KiB, and this host allows at most 64 KiB: lower its log_bytes, or raise the host's ceiling limits.logs": {
			task.Options{LogBytes: 64 << 10}, task.Options{LogBytes: 65 << 10},
		},
		"limit arguments: it asks for 3001 bytes, and this host allows at most 3000 bytes: lower its args_bytes, or raise the host's ceiling limits.arguments": {
			task.Options{ArgsBytes: 3000}, task.Options{ArgsBytes: 3001},
		},
	} {
		_, err := ceilings.Fit(test.most)
		require.NoError(t, err)
		_, err = ceilings.Fit(test.above)
		var above *task.CeilingError
		require.ErrorAs(t, err, &above)
		require.EqualError(t, err, want)
		_, err = task.Ceilings{}.Fit(test.above)
		require.NoError(t, err, "another host allows it")
	}
}

func TestFitRefusesWhatIsNeverAllowed(t *testing.T) {
	_, err := task.Ceilings{Memory: 128 << 20}.Fit(task.Options{Memory: 2 << 30})
	requireField(t, err, "memory")
	_, err = task.Ceilings{Fuel: 10}.Fit(task.Options{Fuel: -1})
	requireField(t, err, "fuel")
}

// What is kept with a task is what differs from the defaults.
func TestLimitsOfOptions(t *testing.T) {
	options := task.Options{}.WithDefaults()
	require.Equal(t, task.Limits{Memory: task.DefaultMemory}, options.Limits())
	options = task.Options{Memory: 1 << 20, Fuel: 1, Depth: 2, ResultBytes: 3, LogBytes: 4, ArgsBytes: 5, Reset: task.Fresh}
	require.Equal(t, task.Limits{Memory: 1 << 20, Fuel: 1, Depth: 2, ResultBytes: 3, LogBytes: 4, Fresh: true}, options.Limits())
}

func TestBound(t *testing.T) {
	defaults := task.Limits{Memory: 64 << 20, Depth: 10_000, ResultBytes: 1 << 20, LogBytes: 1 << 20}
	require.Equal(t, defaults, task.Ceilings{}.Bound(task.Limits{}))
	large := task.Limits{Memory: 1 << 30, Fuel: 1 << 40, Depth: 100_000, ResultBytes: 16 << 20, LogBytes: 16 << 20, Fresh: true}
	require.Equal(t, large, task.Ceilings{}.Bound(large))
	low := task.Ceilings{Memory: 32 << 20, Fuel: 9, Depth: 8, ResultBytes: 2000, LogBytes: 3000}
	want := task.Limits{Memory: 32 << 20, Fuel: 9, Depth: 8, ResultBytes: 2000, LogBytes: 3000}
	require.Equal(t, want, low.Bound(task.Limits{}), "a task that was let in without a limit has the ceiling")
	want.Fresh = true
	require.Equal(t, want, low.Bound(large))
	small := task.Limits{Memory: 65536, Fuel: 1, Depth: 1, ResultBytes: 1024, LogBytes: 1024}
	require.Equal(t, small, low.Bound(small))
}
