package taskhost_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func TestNewRefusesABadConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("not a database, but long enough to be looked at as one"), 0o600))
	for name, test := range map[string]struct {
		config taskhost.Config
		want   string
	}{
		"MaxConcurrentTasks -1":    {taskhost.Config{MaxConcurrentTasks: -1}, "taskhost: Config.MaxConcurrentTasks must be from 1 to 10000, is -1"},
		"MaxConcurrentTasks above": {taskhost.Config{MaxConcurrentTasks: 10_001}, "taskhost: Config.MaxConcurrentTasks must be from 1 to 10000, is 10001"},
		"MaxSyncThreads -1":        {taskhost.Config{MaxSyncThreads: -1}, "taskhost: Config.MaxSyncThreads must be from 1 to 10000, is -1"},
		"MaxSyncThreads above":     {taskhost.Config{MaxSyncThreads: 10_001}, "taskhost: Config.MaxSyncThreads must be from 1 to 10000, is 10001"},
		"MaxWasmWorkers -1":        {taskhost.Config{MaxWasmWorkers: -1}, "taskhost: Config.MaxWasmWorkers must be from 1 to 10000, is -1"},
		"MaxWasmWorkers above":     {taskhost.Config{MaxWasmWorkers: 10_001}, "taskhost: Config.MaxWasmWorkers must be from 1 to 10000, is 10001"},
		"ShutdownTimeout":          {taskhost.Config{ShutdownTimeout: -time.Second}, "taskhost: Config.ShutdownTimeout must not be negative, is -1s"},
		"LogFlushInterval":         {taskhost.Config{LogFlushInterval: time.Microsecond}, "taskhost: Config.LogFlushInterval must be at least 1ms, is 1µs"},
		"LogFlushInterval -1":      {taskhost.Config{LogFlushInterval: -1}, "taskhost: Config.LogFlushInterval must be at least 1ms, is -1ns"},
		"Limits.Memory":            {taskhost.Config{Limits: task.Ceilings{Memory: 2 << 30}}, "taskhost: Config.Limits: limits.memory must be from 64 KiB to 1 GiB, is 2 GiB"},
		"Limits.Fuel":              {taskhost.Config{Limits: task.Ceilings{Fuel: -1}}, "taskhost: Config.Limits: limits.fuel must not be negative, is -1: 0 is no limit"},
		"Limits.Timeout":           {taskhost.Config{Limits: task.Ceilings{Timeout: 2 * time.Hour}}, "taskhost: Config.Limits: limits.timeout must be from 1ms to 1h0m0s, is 2h0m0s"},
		"Database by URL":          {taskhost.Config{Database: "mysql://localhost/x"}, "taskhost: Config.Database must be the path of a file"},
		"no directory":             {taskhost.Config{Database: filepath.Join(dir, "none", "x.db")}, "taskhost: open the database " + filepath.Join(dir, "none", "x.db") + ": its directory does not exist: make it, or choose another file"},
		"a directory":              {taskhost.Config{Database: dir}, "choose a file that can be written"},
		"retention below none":     {taskhost.Config{Retention: task.Retention{Failed: -1}}, "taskhost: Config.Retention: failed must not be negative, is -1ns: 0 keeps tasks for ever"},
		"no version is kept":       {taskhost.Config{ModuleVersionsKept: -1}, "taskhost: Config.ModuleVersionsKept must be at least 1, is -1"},
		"no database":              {taskhost.Config{Database: file}, "taskhost: open the database " + file + ": "},
		"a cache that is a file":   {taskhost.Config{Database: filepath.Join(dir, "ok.db"), CacheDir: file}, "taskhost: make the directory for compiled modules: "},
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			h, err := taskhost.New(t.Context(), test.config)
			require.ErrorContains(t, err, test.want)
			require.Nil(t, h)
			goleak.VerifyNone(t, before) // what was opened before the error is closed again
		})
	}
}

func TestNewEndsWithItsContext(t *testing.T) {
	_, err := taskhost.New(ended(t), taskhost.Config{Database: filepath.Join(t.TempDir(), "x.db")})
	require.ErrorIs(t, err, context.Canceled)
}

func TestTheZeroConfigWorks(t *testing.T) {
	t.Chdir(t.TempDir())
	h, err := taskhost.New(t.Context(), taskhost.Config{})
	require.NoError(t, err)
	defer stop(t, h)
	greet := register(t, h, "greet", hello, task.Options{})
	start(t, h)
	id, err := greet.Enqueue(t.Context(), "world", taskhost.EnqueueOptions{})
	require.NoError(t, err)
	require.Equal(t, task.Success, await(t, h, id).Status)
	info, err := os.Stat("taskhost.db")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "tasks are private")
}

// TestNewStartsNothing: no goroutine but those of database/sql, and no claim on
// the file.
func TestNewStartsNothing(t *testing.T) {
	path := newFile(t)
	before := goleak.IgnoreCurrent()
	first := newHost(t, taskhost.Config{Database: path})
	second := newHost(t, taskhost.Config{Database: path})
	require.NoError(t, goleak.Find(before, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener")))

	register(t, first, "greet", hello, task.Options{})
	start(t, first)
	id := enqueue(t, second, "greet", "you")
	require.Equal(t, task.Success, await(t, second, id).Status, "who did not start can enqueue, and look")
}

func TestStartOfAFileThatIsWorked(t *testing.T) {
	path := newFile(t)
	first, second := newHost(t, taskhost.Config{Database: path}), newHost(t, taskhost.Config{Database: path})
	register(t, second, "greet", hello, task.Options{})
	start(t, first)
	err := second.Start(t.Context())
	require.ErrorContains(t, err, " is being worked by ")
	require.ErrorContains(t, err, "stop it, or choose another database")

	stop(t, first)
	start(t, second)
	id := enqueue(t, second, "greet", "you")
	require.Equal(t, task.Success, await(t, second, id).Status, "a start that failed can be tried again")
}

func TestStartEndsWithItsContext(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	require.ErrorIs(t, h.Start(ended(t)), context.Canceled)
	start(t, h)
	require.Equal(t, task.Success, await(t, h, enqueue(t, h, "greet", "you")).Status)
}
