package queuebench

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ground is a place to measure in that can say what was left there.
type ground struct {
	database string
	left     func(t *testing.T) []string
}

func grounds() map[string]func(t *testing.T) ground {
	return map[string]func(t *testing.T) ground{
		"sqlite": func(t *testing.T) ground {
			dir := t.TempDir()
			return ground{database: dir, left: func(t *testing.T) (names []string) {
				entries, err := os.ReadDir(dir)
				require.NoError(t, err)
				for _, entry := range entries {
					names = append(names, entry.Name())
				}
				return names
			}}
		},
		"postgres": func(t *testing.T) ground {
			database := pgtest.Database(t)
			return ground{database: database, left: func(t *testing.T) []string {
				conn, err := pgx.Connect(t.Context(), database)
				require.NoError(t, err)
				defer conn.Close(context.Background())
				rows, err := conn.Query(t.Context(), "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|public$|information_schema$)'")
				require.NoError(t, err)
				names, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				return names
			}}
		},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, make := range grounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ground := make(t)
			var last, of int
			report, err := Run(t.Context(), Config{Database: ground.database, Tasks: 200, Slots: 100, Runs: 1, Progress: func(done, total int, what string) {
				require.GreaterOrEqual(t, done, last)
				require.NotEmpty(t, what)
				last, of = done, total
			}})
			require.NoError(t, err)
			require.Equal(t, 16, of, "eight cases of two")
			require.Equal(t, of-1, last)
			require.Empty(t, ground.left(t))
			checkReport(t, name, report)
		})
	}
}

func checkReport(t *testing.T, store string, report *Report) {
	t.Helper()
	var names []string
	for _, r := range report.Results {
		names = append(names, r.Case)
		require.Equal(t, store, r.Store)
		latency := r.Case == "latency" || r.Case == "latency_tx"
		works := r.Case == "work" || r.Case == "work_500"
		for what, values := range map[string]struct {
			applies     bool
			least, most float64
			values      []*float64
		}{
			"per second":  {!latency, 1, 1e6, []*float64{r.PerSecond, r.RiverPerSecond}},
			"percentiles": {!works, 0.001, 30_000, []*float64{r.P50, r.P99, r.RiverP50, r.RiverP99}},
			"ratio":       {true, 0.001, 10_000, []*float64{r.Ratio}},
		} {
			for _, value := range values.values {
				if !values.applies {
					require.Nil(t, value, "%s: %s", r.Case, what)
					continue
				}
				require.NotNil(t, value, "%s: %s", r.Case, what)
				require.GreaterOrEqual(t, *value, values.least, "%s: %s", r.Case, what)
				require.LessOrEqual(t, *value, values.most, "%s: %s", r.Case, what)
			}
		}
		if !works {
			require.LessOrEqual(t, *r.P50, *r.P99, r.Case)
		}
	}
	require.Equal(t, []string{"enqueue", "enqueue_16", "enqueue_tx", "batch", "work", "work_500", "latency", "latency_tx"}, names)

	require.Len(t, report.Bars, 4)
	for _, bar := range report.Bars {
		require.Equal(t, store, bar.Store)
		require.Positive(t, bar.Value, bar.Case)
	}

	env := report.Environment
	require.Equal(t, store, env.Store)
	require.Equal(t, store == "postgres", env.Postgres != nil)
	require.Equal(t, store == "sqlite", env.SQLite != nil)
	require.Equal(t, []int{200, 100, 1}, []int{env.Tasks, env.Slots, env.Runs})
	require.Positive(t, env.CPUs)
	require.WithinDuration(t, time.Now(), env.Date, time.Hour)
}

// It is interrupted while either subject is made, and while it is measured.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, make := range grounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ground := make(t)
			for _, name := range []string{"enqueue_tx", "work", "latency"} {
				for at := range 4 {
					ctx, cancel := context.WithCancel(t.Context())
					calls := 0
					_, err := Run(ctx, Config{Database: ground.database, Tasks: 2000, Runs: 1, Cases: []string{name}, Progress: func(int, int, string) {
						if calls == at {
							time.AfterFunc(30*time.Millisecond, cancel)
						}
						calls++
					}})
					require.ErrorIs(t, err, context.Canceled)
					require.NotContains(t, err.Error(), "\n", "what it has broken is of no interest")
					require.Empty(t, ground.left(t))
				}
			}
		})
	}
}

func TestFileNamesItsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "taskhost.db")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	seen := 0
	_, err := Run(t.Context(), Config{Database: file, Tasks: 1, Runs: 1, Cases: []string{"batch"}, Progress: func(int, int, string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		seen = max(seen, len(entries))
	}})
	require.NoError(t, err)
	require.Equal(t, 2, seen, "the file and one folder")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestCannotBegin(t *testing.T) {
	t.Parallel()
	var mistake *ConfigError
	for name, config := range map[string]Config{
		"tasks":   {Tasks: -1},
		"slots":   {Slots: 10_001},
		"runs":    {Runs: 101},
		"no case": {Cases: []string{"work", "play"}},
		"address": {Database: "postgres://me:secret@host:port/db"},
	} {
		_, err := Run(t.Context(), config)
		require.ErrorAs(t, err, &mistake, name)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := Run(t.Context(), Config{Database: filepath.Join(t.TempDir(), "no", "folder.db")})
	require.ErrorContains(t, err, "name another place with --database")
	_, err = Run(t.Context(), Config{Database: "postgres://me:secret@127.0.0.1:1/db?connect_timeout=1"})
	require.ErrorContains(t, err, "connect to the database")
	require.NotContains(t, err.Error(), "secret")
}

func TestNothingIsLeftWhereAnythingIsForbidden(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	_, err := Run(t.Context(), Config{Database: pgtest.Role(t, database)})
	require.ErrorContains(t, err, "permission denied")
}

func TestTally(t *testing.T) {
	t.Parallel()
	var empty tally
	require.Nil(t, empty.rate())
	require.Nil(t, empty.percentile(50))
	var one tally
	for i := range 100 {
		one.add(sample{rate: float64(i), times: []time.Duration{time.Duration(100-i) * time.Millisecond}})
	}
	require.Equal(t, 99.0, *one.rate(), "the best")
	require.Equal(t, 50.0, *one.percentile(50))
	require.Equal(t, 99.0, *one.percentile(99))
	require.Equal(t, 100.0, *one.percentile(100))
}

func TestRatioIsAboveOneForWhatIsFaster(t *testing.T) {
	t.Parallel()
	rates := pair{ours: tally{best: 30}, bare: tally{best: 10}}
	require.Equal(t, 3.0, *new(rates.result("sqlite", "work")).Ratio)
	times := pair{ours: tally{times: []time.Duration{time.Millisecond}}, bare: tally{times: []time.Duration{3 * time.Millisecond}}}
	require.Equal(t, 3.0, *new(times.result("sqlite", "latency")).Ratio)
}

func TestBars(t *testing.T) {
	t.Parallel()
	least := Bar{Field: "per_second", Least: new(10.0)}
	most := Bar{Field: "p50_ms", Most: new(3.0)}
	for value, met := range map[float64]bool{9.9: false, 10: true, 11: true} {
		require.Equal(t, met, least.held(&Result{PerSecond: &value}).Met, value)
	}
	for value, met := range map[float64]bool{2.9: true, 3: true, 3.1: false} {
		require.Equal(t, met, most.held(&Result{P50: &value}).Met, value)
	}
	require.False(t, least.held(&Result{}).Met, "not measured")
}
