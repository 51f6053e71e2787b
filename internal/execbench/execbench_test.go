package execbench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/sandbox"
)

func TestMain(m *testing.M) {
	if sandbox.IsWorker() {
		os.Exit(sandbox.Work()) //nolint:forbidigo // this process is a worker, and not the tests
	}
	goleak.VerifyTestMain(m)
}

// temporary has temporary files made in a folder of the test's own, which is empty at
// the end.
func temporary(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "taskhost-bench-*"))
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestRun(t *testing.T) {
	temporary(t)
	last, of := -1, 0
	config := Config{Guests: []string{small, cRaw}, Duration: 5 * time.Millisecond, Parallel: 3, Progress: func(done, total int, what string) {
		require.Equal(t, last+1, done)
		require.NotEmpty(t, what)
		last, of = done, total
	}}
	report, err := Run(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, of-1, last)
	require.False(t, report.Interrupted)
	require.Nil(t, report.IdleKiB, "the Go guest is not there")
	require.Nil(t, report.FuelGeomean)

	var rows []string
	for _, r := range report.Results {
		row := r.Guest + " " + r.Mode + strings.Repeat(" x", r.Goroutines)
		rows = append(rows, row)
		require.Positive(t, r.P50, row)
		require.GreaterOrEqual(t, r.P99, r.P50, row)
		require.Positive(t, r.PerSecond, row)
		require.Equal(t, r.Goroutines == 3 || r.Mode == inProcess, r.Ratio != nil, row)
		require.Equal(t, r.Mode == inProcess && r.Goroutines > 1, r.Growth != nil, row)
		if r.Mode == inProcess {
			require.Equal(t, 1.0, *r.Ratio)
		}
	}
	want := []string{"python python-pool x x x", "go-native exec x x x"}
	for _, guest := range []string{cRaw, small} {
		want = append(want, guest+" inprocess x", guest+" inprocess x x", guest+" inprocess x x x",
			guest+" fresh x x x", guest+" worker x x x", guest+" plain-wazero x x x", guest+" close-on-done x x x")
	}
	for _, missing := range report.Missing { // a machine need not have Python
		require.Equal(t, Missing{"python", "python-pool", "there is no python3 on the PATH"}, missing)
		want = want[1:]
	}
	require.ElementsMatch(t, want, rows)
	require.Equal(t, []string{cRaw}, barGuests(report))
	require.Positive(t, report.Machine.CPUs)
	require.WithinDuration(t, time.Now(), report.Machine.Date, time.Hour)
}

func barGuests(report *Report) (guests []string) {
	for _, bar := range report.Bars {
		guests = append(guests, bar.Guest)
	}
	return guests
}

func TestBarsAreOfOneExecutionAtATime(t *testing.T) {
	t.Parallel()
	rows := []Result{
		{Guest: goRaw, Mode: inProcess, Goroutines: 1, P50: 15},
		{Guest: goRaw, Mode: inProcess, Goroutines: 2, P50: 90, Growth: new(1.69)},
		{Guest: goRaw, Mode: "plain-wazero", Goroutines: 8, Ratio: new(900.0)},
		{Guest: "python", Mode: "python-pool", Goroutines: 1, Ratio: new(5.0)},
		{Guest: cRaw, Mode: inProcess, Goroutines: 1, P50: 5.1},
	}
	report := Report{Results: rows, IdleKiB: new(1024.5), FuelGeomean: new(1.15)}
	report.addBars()
	got := make(map[string]bool)
	for _, bar := range report.Bars {
		got[strings.TrimSpace(bar.Guest+" "+bar.Field)] = bar.Met
	}
	require.Equal(t, map[string]bool{
		"go-raw p50_us": true, "go-raw growth": false, "python ratio": true, "c p50_us": false, "idle_kib": false, "fuel_geomean": true,
	}, got)
}

// It is interrupted while it prepares, and while it measures in each of the modes.
func TestInterrupted(t *testing.T) {
	temporary(t)
	interrupt := func(config Config, at string) *Report {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		config.Guests = []string{small}
		config.Progress = func(_, _ int, what string) {
			if strings.HasPrefix(what, at) {
				time.AfterFunc(30*time.Millisecond, cancel)
			}
		}
		report, err := Run(ctx, config)
		require.ErrorIs(t, err, context.Canceled, at)
		return report
	}
	steps := []string{"prepare small"}
	for _, m := range allModes() {
		guest := small
		if m.instead != nil {
			guest = m.instead.name
		}
		steps = append(steps, "open "+guest+", "+m.name)
		report := interrupt(Config{Modes: []string{m.name}, Duration: time.Hour}, "round 1")
		if report != nil { // Python gives nothing where it is interrupted, and may be missing
			require.True(t, report.Interrupted)
		}
	}
	for _, step := range steps {
		interrupt(Config{Duration: time.Hour}, step)
	}
	report := interrupt(Config{Duration: time.Second, Modes: []string{inProcess, "fresh"}}, "round 2 of 5: small, fresh")
	require.True(t, report.Interrupted)
	require.Len(t, report.Results, 3)
}

func TestMistakes(t *testing.T) {
	temporary(t)
	for want, config := range map[string]Config{
		`there is no mode "slow": there are inprocess, fresh, worker, plain-wazero, close-on-done, exec, python-pool`: {Modes: []string{"slow"}},
		`there is no guest "basic": there are go-raw, go-json, c, rust, assemblyscript, small`:                        {Guests: []string{small, "basic"}},
		"there is no guest \"own\"": {Guests: []string{OwnGuest}},
		"the duration must be":      {Duration: -1},
		"parallel must be":          {Parallel: -1},
		"name one of the module's tasks, as in FILE.wasm:TASK: bench.small": {Guests: []string{OwnGuest}, Own: &Own{Wasm: smallGuest(), Definition: "other"}},
	} {
		report, err := Run(t.Context(), config)
		require.Nil(t, report)
		require.ErrorAs(t, err, new(*ConfigError))
		require.ErrorContains(t, err, want)
	}
}

// TestOwn: its output is learned, where it is the same each time.
func TestOwn(t *testing.T) {
	temporary(t)
	config := Config{Guests: []string{OwnGuest}, Modes: []string{inProcess, "plain-wazero"}, Duration: 5 * time.Millisecond, Own: &Own{Wasm: smallGuest(), Input: []byte("mine")}}
	report, err := Run(t.Context(), config)
	require.NoError(t, err)
	require.Len(t, report.Results, 3)

	trapping, failing := smallGuest(), smallGuest()
	copyOver(trapping, "\x23\x00\x22\x01", "\x00\x01\x01\x01") // unreachable, nop
	copyOver(failing, "\x24\x00"+constant(abi.RunDone)+"\x0b", "\x24\x00"+constant(abi.RunFailed)+"\x0b")
	for want, wasm := range map[string][]byte{"failed (trap): ": trapping, "failed (error): the task failed and gave no reason": failing} {
		config.Own = &Own{Wasm: wasm}
		report, err := Run(t.Context(), config)
		require.Nil(t, report)
		require.ErrorContains(t, err, "prepare own: the guest "+want)
	}
}

// copyOver replaces the last place of a text by one of the same length.
func copyOver(wasm []byte, old, by string) {
	copy(wasm[strings.LastIndex(string(wasm), old):], by)
}

// TestEveryModeChecks: a guest that gives something else ends the benchmark.
func TestEveryModeChecks(t *testing.T) {
	temporary(t)
	for _, m := range allModes() {
		if m.name == "python-pool" {
			continue // it has no guest, and checks in Python
		}
		b := newBench(t)
		g := &guest{name: small, wasm: smallGuest(), input: []byte("this"), want: []byte("that")}
		require.NoError(t, b.get(t.Context(), g))
		s, err := m.open(t.Context(), b, g)
		require.NoError(t, err)
		_, err = s.measure(t.Context(), time.Millisecond, 2)
		require.ErrorContains(t, err, `the output is "this" and should be "that"`, m.name)
		if s.close != nil {
			require.NoError(t, s.close(t.Context()))
		}
	}
}

func TestWhatIsMissing(t *testing.T) {
	temporary(t)
	t.Setenv("PATH", t.TempDir())
	report, err := Run(t.Context(), Config{Guests: []string{small, goRaw}, Duration: time.Millisecond})
	require.NoError(t, err)
	require.Len(t, report.Results, 6)
	var missing []string
	for _, m := range report.Missing {
		missing = append(missing, m.Guest+" "+m.Mode)
		require.NotEmpty(t, m.Reason)
		require.NotContains(t, m.Reason, "\n")
	}
	require.Equal(t, []string{
		"go-raw inprocess", "go-raw fresh", "go-raw worker", "go-raw plain-wazero", "go-raw close-on-done", "go-native exec", "python python-pool",
	}, missing)
	require.Contains(t, report.Missing[0].Reason, "this machine cannot build Go guests")

	_, err = Run(t.Context(), Config{Guests: []string{goRaw}, Modes: []string{inProcess}})
	require.ErrorContains(t, err, "nothing can be measured: this machine cannot build Go guests")

	t.Chdir(t.TempDir())
	_, err = Run(t.Context(), Config{Guests: []string{goRaw}, Modes: []string{inProcess}})
	require.EqualError(t, err, "nothing can be measured: guests are built in a clone of Taskhost, and this is none: change to its folder")
}

func TestPythonThatHasNoPool(t *testing.T) {
	temporary(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\necho no semaphores >&2\nexit 3\n"), 0o700))
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	report, err := Run(t.Context(), Config{Guests: []string{small}, Modes: []string{inProcess, "python-pool"}, Duration: time.Millisecond})
	require.NoError(t, err)
	require.Len(t, report.Missing, 1)
	require.Contains(t, report.Missing[0].Reason, "python3 cannot start a pool of processes: ")
	require.Contains(t, report.Missing[0].Reason, "no semaphores")
}
