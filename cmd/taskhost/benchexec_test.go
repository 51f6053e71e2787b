package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBenchExec(t *testing.T) {
	t.Parallel()
	measure := []string{"bench", "exec", "--duration", "5ms", "--guests", "small", "--modes", "inprocess,plain-wazero"}
	code, stdout, stderr := runIn(t, nil, append(measure, "--output", "json")...)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.ElementsMatch(t, []string{
		"results", "missing", "idle_kib", "idle_own_kib", "fuel_geomean", "close_on_done_geomean", "bars", "machine", "interrupted",
	}, slices.Collect(maps.Keys(report)))
	var rows []any
	for _, row := range report["results"].([]any) {
		row := row.(map[string]any)
		// What does not apply is null, and there.
		require.ElementsMatch(t, []string{
			"guest", "mode", "p50_us", "p99_us", "per_second", "goroutines", "ratio", "growth",
		}, slices.Collect(maps.Keys(row)))
		rows = append(rows, row["guest"], row["mode"], row["goroutines"])
		require.Positive(t, row["p50_us"])
	}
	require.Equal(t, []any{"small", "inprocess", 1.0, "small", "inprocess", 2.0, "small", "plain-wazero", 1.0}, rows)
	require.Empty(t, report["missing"])
	require.ElementsMatch(t, []string{
		"cpus", "go_version", "platform", "wazero_version", "python_version", "seconds", "date",
	}, slices.Collect(maps.Keys(report["machine"].(map[string]any))))

	code, stdout, stderr = runIn(t, nil, measure...)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.Regexp(t, `^GUEST +MODE +GOROUTINES +P50 µS +P99 µS +PER SECOND +× INPROCESS +× 1 GOROUTINE
small +inprocess +1 +[\d.]+ +[\d.]+ +\d+ +1.00 +-
small +inprocess +2 +[\d.]+ +[\d.]+ +\d+ +1.00 +[\d.]+
small +plain-wazero +1 +[\d.]+ +[\d.]+ +\d+ +[\d.]+ +-

0.005 s for each row, \d+ processors, go.*
$`, stdout)
}

func TestBenchExecOfAGuestOfOnesOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	guest, command := filepath.Join(dir, "tiny.wasm"), filepath.Join(dir, "command.wasm")
	require.NoError(t, os.WriteFile(guest, tinyModule(), 0o600))
	require.NoError(t, os.WriteFile(command, tinyCommand(), 0o600))
	input := filepath.Join(dir, "input.json")
	require.NoError(t, os.WriteFile(input, []byte(`{"n":1}`), 0o600))
	measure := func(more ...string) (int, string, string) {
		return runIn(t, nil, append([]string{"bench", "exec", "--duration", "5ms", "--guests", "own", "--modes", "inprocess,fresh,plain-wazero,close-on-done"}, more...)...)
	}
	for _, named := range []string{guest + ":tiny.echo", command} {
		code, stdout, stderr := measure("--guest", named, "--input", "@"+input)
		require.Zero(t, code, stderr)
		require.Regexp(t, `\nown +close-on-done +1 +[\d.]+ `, stdout)
	}
	for _, test := range []struct {
		code   int
		args   []string
		stderr string
	}{
		{exitFailed, []string{"--guest", guest + ":tiny.fail"}, "prepare own: the guest failed (error): " + tinyFailure},
		{exitFailed, []string{"--guest", guest + ":tiny.trap"}, "prepare own: the guest failed (trap): "},
		{exitFailed, []string{"--guest", command}, "prepare own: the guest failed (error): exit code 3"}, // without input
		{exitFailed, []string{"--guest", filepath.Join(dir, "none.wasm:task")}, "none.wasm: no such file or directory"},
		{exitUsage, []string{"--guest", guest}, "name one of the module's tasks, as in FILE.wasm:TASK: tiny.echo, tiny.fail, "},
		{exitUsage, nil, `there is no guest "own": there are go-raw, `},
		{exitUsage, []string{"--input", "{}"}, "--input is for the guest of --guest, which is not given"},
		{exitUsage, []string{"--guest", guest + ":tiny.echo", "--modes", "slow"}, `there is no mode "slow": there are inprocess, `},
		{exitUsage, []string{"--duration", "0s"}, "--duration must be more than 0, is 0s"},
		{exitUsage, []string{"--parallel", "0"}, "--parallel must be at least 1, is 0"},
	} {
		code, stdout, stderr := measure(test.args...)
		require.Equal(t, test.code, code, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, test.stderr)
	}
}

// TestBenchExecAsItIsBuilt has the guests that take long to compile under the race
// detector.
func TestBenchExecAsItIsBuilt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "taskhost")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", output)

	cmd := exec.CommandContext(t.Context(), program, "bench", "exec", "--cpu", "--duration", "10ms", "--guests", "go-raw,go-json", "--output", "json")
	cmd.Dir = filepath.Join("..", "..", "docs") // anywhere in a clone
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s", stderr.String())
	require.Empty(t, stderr.String())
	var report struct {
		Results []struct {
			Guest, Mode string
			P50         float64  `json:"p50_us"`
			Ratio       *float64 `json:"ratio"`
		}
		Idle    *float64 `json:"idle_kib"`
		Geomean *float64 `json:"fuel_geomean"`
		Bars    []struct{ Field string }
	}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &report))
	ratios := make(map[string]float64)
	for _, row := range report.Results {
		require.Positive(t, row.P50)
		require.NotNil(t, row.Ratio, "%s, %s", row.Guest, row.Mode)
		ratios[row.Guest+" "+row.Mode] = *row.Ratio
	}
	for _, slower := range []string{"go-raw fresh", "go-raw plain-wazero", "go-json close-on-done", "go-native exec", "cpu-go-sieve close-on-done"} {
		require.Greater(t, ratios[slower], 1.5, slower)
	}
	require.Contains(t, ratios, "cpu-go-regexp fuel")
	require.Greater(t, *report.Geomean, 0.5)
	require.Less(t, *report.Geomean, 3.0)
	if report.Idle != nil { // Linux
		require.Greater(t, *report.Idle, 10.0)
		require.Less(t, *report.Idle, 4096.0)
	}
	require.GreaterOrEqual(t, len(report.Bars), 5)
}
