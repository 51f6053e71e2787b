package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

func TestBenchQueue(t *testing.T) {
	dir := t.TempDir()
	for name, database := range map[string]string{"sqlite": dir, "postgres": pgtest.Database(t)} {
		t.Run(name, func(t *testing.T) {
			args := []string{"bench", "queue", "--database", database, "--tasks", "20", "--runs", "1"}
			code, stdout, stderr := runIn(t, nil, append(args, "--output", "json")...)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			var report struct {
				Results, Bars []map[string]any
				Environment   map[string]any
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &report))
			require.Len(t, report.Results, 8)
			for _, result := range report.Results {
				require.Equal(t, name, result["store"])
				require.NotEmpty(t, result["case"])
				require.NotNil(t, result["ratio_to_river"])
				// What does not apply is null, and there.
				require.ElementsMatch(t, []string{
					"store", "case", "per_second", "p50_ms", "p99_ms", "ratio_to_river",
					"river_per_second", "river_p50_ms", "river_p99_ms",
				}, slices.Collect(maps.Keys(result)))
			}
			require.Len(t, report.Bars, 4)
			require.ElementsMatch(t, []string{"store", "case", "field", "least", "most", "value", "met"}, slices.Collect(maps.Keys(report.Bars[0])))
			require.ElementsMatch(t, []string{
				"cpus", "go_version", "platform", "river_version", "store", "postgres_version", "sqlite_version", "durable", "encrypted",
				"tasks", "slots", "runs", "date",
			}, slices.Collect(maps.Keys(report.Environment)))

			code, stdout, stderr = runIn(t, nil, append(args, "--cases", "work,latency")...)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			require.Regexp(t, `^CASE +TASKHOST /S +RIVER /S +RATIO +P50 MS +P99 MS +RIVER P50 +RIVER P99
work +\d+ +\d+ +[\d.]+ +- +- +- +-
latency +- +- +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+

(SQLite|Postgres) .*, 20 tasks, 100 slots, best of 1, .*
(bar (not )?met: (work|latency) .*\n){3}$`, stdout)
		})
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestBenchQueueUsesNoDatabaseOfTheSettings(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := runIn(t, []string{"TASKHOST_DATABASE=postgres://127.0.0.1:1/db"},
		"bench", "queue", "--tasks", "1", "--runs", "1", "--cases", "batch")
	require.Zero(t, code, stderr)
	code, _, stderr = runIn(t, nil, "bench", "queue", "--database", dir, "--cases", "play")
	require.Equal(t, exitUsage, code)
	require.True(t, strings.HasPrefix(stderr, `taskhost: there is no case "play": there are enqueue, `), stderr)
}
