package sqlitestore_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

func TestAnotherProgramsFileIsLeftAlone(t *testing.T) {
	for name, statements := range map[string][]string{
		"river":     {"CREATE TABLE river_job (id integer PRIMARY KEY)", "CREATE TABLE river_migration (line text)"},
		"river WAL": {"PRAGMA journal_mode = WAL", "CREATE TABLE river_job (id integer PRIMARY KEY)"},
		"ours":      {"CREATE TABLE task (id integer PRIMARY KEY)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			db := callersDB(t, path)
			for _, statement := range statements {
				_, err := db.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			require.NoError(t, db.Close())
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, config := range []sqlitestore.Config{{Path: path}, {Path: path, NoMigrate: true}} {
				_, err = sqlitestore.Open(t.Context(), config)
				require.ErrorContains(t, err, "another program has tables in the file")
				require.ErrorContains(t, err, "choose another file")
			}
			_, err = sqlitestore.MigrationStatus(t.Context(), path)
			require.ErrorContains(t, err, "choose another file")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte("no database, but a text that is long enough to be taken for one by its length, which is over a hundred bytes"), 0o600))
	_, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path})
	require.ErrorContains(t, err, "no SQLite database: choose another file")
}

// A program's own tables may share the file: that is what EnqueueTx is for.
func TestAFileWithOtherTablesIsTaken(t *testing.T) {
	path := newPath(t)
	db := callersDB(t, path)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE orders (id integer PRIMARY KEY)")
	require.NoError(t, err)
	open(t, path)
	require.Zero(t, count(t, db, "SELECT count(*) FROM orders"))
}

func TestANewerFileIsRefused(t *testing.T) {
	path := newPath(t)
	open(t, path)
	_, err := callersDB(t, path).ExecContext(t.Context(), "INSERT INTO taskhost_migration VALUES (999, 'future.sql', 0)")
	require.NoError(t, err)
	for _, config := range []sqlitestore.Config{{Path: path}, {Path: path, NoMigrate: true}} {
		_, err = sqlitestore.Open(t.Context(), config)
		require.ErrorContains(t, err, "migrated to version 999 by a newer program")
	}
}

func TestNoMigrateSaysWhatToType(t *testing.T) {
	path := newPath(t)
	config := sqlitestore.Config{Path: path, NoMigrate: true}
	command := "taskhost migrate up --database " + path
	_, err := sqlitestore.Open(t.Context(), config)
	require.ErrorContains(t, err, command)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, path)

	oldFile(t, path)
	_, err = sqlitestore.Open(t.Context(), config)
	require.ErrorContains(t, err, "its tables are at version 1, and this program works with version ")
	require.ErrorContains(t, err, command)
	migrations, err := sqlitestore.MigrationStatus(t.Context(), path)
	require.NoError(t, err)
	require.True(t, migrations[0].Applied)
	require.False(t, migrations[1].Applied)

	_, err = sqlitestore.Migrate(t.Context(), path)
	require.NoError(t, err)
	store, err := sqlitestore.Open(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, store.Close())

	db := callersDB(t, path)
	_, err = db.ExecContext(t.Context(), "DELETE FROM river_migration WHERE version = 8")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sqlitestore.Open(t.Context(), config)
	require.ErrorContains(t, err, "unapplied migrations: [8]")
	require.ErrorContains(t, err, command)
}

// oldFile makes a file as the first version left it, with three tasks: "due" and
// "later" are pending, "done" has ended.
func oldFile(t *testing.T, path string) (ids map[string]task.ID) {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path})
	require.NoError(t, err)
	push(t, store, "m", task.Definition{Name: "a"})
	ids = map[string]task.ID{"done": enqueue(t, store, task.Request{Name: "a"})}
	start(t, store, 1, func(context.Context, *task.Execution, task.LogSink) task.Outcome { return task.Outcome{} })
	await(t, store, ids["done"])
	require.NoError(t, store.Stop(t.Context()))
	ids["later"] = enqueue(t, store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	ids["due"] = enqueue(t, store, task.Request{Name: "a"})
	require.NoError(t, store.Close())
	db := callersDB(t, path)
	for _, statement := range []string{
		"DROP TABLE quarantine",
		"DROP TRIGGER event_enqueued",
		"DROP TRIGGER event_moved",
		"DROP TABLE event",
		"DROP TABLE event_setting",
		"DROP INDEX task_ended",
		"DROP INDEX idempotency_key_gone",
		"ALTER TABLE idempotency_key DROP COLUMN task_gone",
		"ALTER TABLE module_version DROP COLUMN retired_at",
		"DROP INDEX task_cancelling",
		"DROP INDEX task_by_status",
		"DROP INDEX task_by_name",
		"DROP INDEX task_by_duration",
		"DROP TABLE task_tag",
		"ALTER TABLE node DROP COLUMN drain_requested_at",
		"DROP INDEX task_expiring",
		"ALTER TABLE task DROP COLUMN retry_jitter",
		"DROP INDEX task_ticket",
		"ALTER TABLE task DROP COLUMN ticket",
		"ALTER TABLE node DROP COLUMN functions",
		"ALTER TABLE task DROP COLUMN limits",
		"ALTER TABLE task DROP COLUMN queue_wait",
		"ALTER TABLE task DROP COLUMN run_time",
		"ALTER TABLE task DROP COLUMN attempt_wait",
		"ALTER TABLE task DROP COLUMN released_at",
		"ALTER TABLE attempt DROP COLUMN queue_wait",
		"ALTER TABLE attempt DROP COLUMN pooled",
		"ALTER TABLE task DROP COLUMN result_key_id",
		"ALTER TABLE task DROP COLUMN sealed_failure",
		"ALTER TABLE attempt DROP COLUMN sealed_failure",
		"ALTER TABLE task_log DROP COLUMN sealed",
		"DROP TABLE seal_key",
		"DELETE FROM taskhost_migration WHERE version > 1",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	return ids
}

func TestTicketsAreFilledIn(t *testing.T) {
	path := newPath(t)
	ids := oldFile(t, path)
	store, db := open(t, path), callersDB(t, path)
	require.Equal(t, 2, count(t, db, "SELECT count(*) FROM task JOIN river_job ON ticket = river_job.id WHERE status = 'pending'"))
	require.Equal(t, 1, count(t, db, "SELECT count(*) FROM task WHERE ticket IS NULL"))
	n, err := store.Repair(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	start(t, store, 1, echo)
	require.Equal(t, task.Success, await(t, store, ids["due"]).Status)
}
