package pgstore_test

import (
	"context"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// refused opens a database that must be refused, and returns why. It must not take
// long.
func refused(t *testing.T, config pgstore.Config) error {
	t.Helper()
	begun := time.Now()
	_, err := pgstore.Open(t.Context(), config)
	require.Error(t, err)
	require.Less(t, time.Since(begun), 5*time.Second, "%v", err)
	return err
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	err := refused(t, pgstore.Config{URL: "postgres://me:secret@127.0.0.1:1/db"})
	require.ErrorIs(t, err, task.ErrUnavailable)
	require.ErrorContains(t, err, "127.0.0.1:1/db")
	require.ErrorContains(t, err, "check that Postgres runs there")
	require.NotContains(t, err.Error(), "secret")
}

func TestAddressThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"postgres://me:pass:word@h/%zz", "postgres://me:secret@h:port/db", "host=a port=b"} {
		err := refused(t, pgstore.Config{URL: address})
		require.ErrorContains(t, err, "postgres://user:password@host:5432/database")
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "pass:word")
	}
}

func TestDatabaseThatIsNotThere(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(pgtest.Database(t))
	require.NoError(t, err)
	address.Path = "/nowhere"
	require.ErrorContains(t, refused(t, pgstore.Config{URL: address.String()}), "createdb")
}

func TestSchemaNames(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"Tasks", "a-b", "1a", "pg_tasks", `a"; DROP SCHEMA public; --`, "a123456789012345678901234567890123456789x"} {
		require.ErrorContains(t, refused(t, pgstore.Config{URL: "postgres://127.0.0.1:1/x", Schema: schema}), "the schema")
	}
}

// oldServer is a server that says that it is of some version, and no more.
func oldServer(t *testing.T, version string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var conns sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				backend := pgproto3.NewBackend(conn, conn)
				if _, err := backend.ReceiveStartupMessage(); err != nil {
					return
				}
				backend.Send(&pgproto3.AuthenticationOk{})
				backend.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
				backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				for backend.Flush() == nil {
					message, err := backend.Receive()
					if err != nil {
						return
					}
					if _, ok := message.(*pgproto3.Query); ok { // what is set on a new connection
						backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
						backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
					}
				}
			})
		}
	})
	return "postgres://me@" + listener.Addr().String() + "/db?sslmode=disable"
}

func TestServerThatIsTooOld(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"13.14 (Debian 13.14-0+deb11u1)", "9.6.24"} {
		require.ErrorContains(t, refused(t, pgstore.Config{URL: oldServer(t, version)}), "the server is PostgreSQL "+version+": it must be version 14 or newer")
	}
}

func TestUserWithoutRights(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	user := pgtest.Role(t, database)
	err := refused(t, pgstore.Config{URL: user})
	require.ErrorContains(t, err, "may not make the tables: run 'CREATE SCHEMA taskhost AUTHORIZATION")
	require.Zero(t, number(t, database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'taskhost'"))

	// What the error says helps.
	address, err := url.Parse(user)
	require.NoError(t, err)
	execute(t, database, "CREATE SCHEMA taskhost AUTHORIZATION "+address.User.Username())
	store := open(t, pgstore.Config{URL: user})
	start(t, store, echo)
	id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.NoError(t, err)
	require.Equal(t, task.Success, within(t, store, id, 10*time.Second).Status)
}

func TestMigrationsMayBeForbidden(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	config := pgstore.Config{URL: database, NoMigrate: true}
	require.ErrorContains(t, refused(t, config), "taskhost migrate up --database URL --schema taskhost")
	require.Zero(t, number(t, database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'taskhost'"))
	status, err := pgstore.MigrationStatus(t.Context(), config)
	require.NoError(t, err)
	require.Equal(t, pgstore.Migration{Version: 1, Name: "001_initial.sql"}, status[0])
	for _, m := range status {
		require.False(t, m.Applied, m.Name)
	}

	status, err = pgstore.Migrate(t.Context(), config)
	require.NoError(t, err)
	for _, m := range status {
		require.True(t, m.Applied, m.Name)
	}
	open(t, config)
}

// TestManyOpenANewDatabase: processes that start together find nothing, and one
// makes the tables.
func TestManyOpenANewDatabase(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	var opening sync.WaitGroup
	for range 6 {
		opening.Go(func() {
			store, err := pgstore.Open(t.Context(), pgstore.Config{URL: database})
			if err != nil {
				t.Error(err)
				return
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	status, err := pgstore.MigrationStatus(t.Context(), pgstore.Config{URL: database})
	require.NoError(t, err)
	require.Equal(t, len(status), number(t, database, "SELECT count(*) FROM taskhost.taskhost_migration"))
}

// TestTasksOutliveAMigration: tables of the first version, with a task that waits and
// one that has ended.
func TestTasksOutliveAMigration(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	store := open(t, pgstore.Config{URL: database})
	start(t, store, echo)
	id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.NoError(t, err)
	within(t, store, id, 10*time.Second)
	later, err := store.Enqueue(t.Context(), task.Request{Name: "work", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	execute(t, database,
		"DROP TABLE taskhost.quarantine",
		"DROP TABLE taskhost.event, taskhost.event_pruned",
		"DROP INDEX taskhost.task_ended",
		"ALTER TABLE taskhost.idempotency_key DROP COLUMN task_gone",
		"ALTER TABLE taskhost.module_version DROP COLUMN retired_at",
		"ALTER TABLE taskhost.task DROP CONSTRAINT task_has_module",
		"DROP INDEX taskhost.task_cancelling, taskhost.task_by_status, taskhost.task_by_name, taskhost.task_by_duration",
		"DROP TABLE taskhost.task_tag",
		"ALTER TABLE taskhost.node DROP COLUMN drain_requested_at",
		"DROP INDEX taskhost.task_expiring",
		"ALTER TABLE taskhost.task DROP COLUMN retry_jitter",
		"ALTER TABLE taskhost.task DROP COLUMN limits, DROP COLUMN queue_wait, DROP COLUMN run_time, DROP COLUMN attempt_wait, DROP COLUMN released_at",
		"ALTER TABLE taskhost.attempt DROP COLUMN queue_wait, DROP COLUMN pooled, DROP COLUMN sealed_failure",
		"ALTER TABLE taskhost.task DROP COLUMN result_key_id, DROP COLUMN sealed_failure",
		"ALTER TABLE taskhost.task_log DROP COLUMN sealed",
		"DROP TABLE taskhost.seal_key",
		"UPDATE taskhost.definition SET options = '{\"timeout\":\"1m0s\",\"backoff\":1,\"priority\":5}'",
		"DELETE FROM taskhost.taskhost_migration WHERE version > 1")

	store = open(t, pgstore.Config{URL: database})
	attempts, err := store.Attempts(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, attempts, 1)
	require.Equal(t, task.Success, attempts[0].Outcome)
	execute(t, database, "UPDATE taskhost.river_job SET scheduled_at = now()")
	start(t, store, echo)
	require.Equal(t, task.Success, within(t, store, later, 10*time.Second).Status)
	definition, err := store.Definition(t.Context(), "work")
	require.NoError(t, err)
	require.Equal(t, task.Options{}.WithDefaults().ArgsBytes, definition.Options.ArgsBytes, "an option that it did not know has its default")
}

// TestMigrationThatWasCutShort: a program that died between two steps leaves
// tables that the next one completes.
func TestMigrationThatWasCutShort(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	_, err := pgstore.Migrate(t.Context(), pgstore.Config{URL: database})
	require.NoError(t, err)
	execute(t, database, "DELETE FROM taskhost.taskhost_migration",
		"DROP TABLE taskhost.attempt, taskhost.task, taskhost.task_tag, taskhost.task_log, taskhost.idempotency_key, taskhost.definition, taskhost.module_version, taskhost.module, taskhost.module_blob, taskhost.schedule, taskhost.schedule_fire, taskhost.quarantine, taskhost.node, taskhost.api_token, taskhost.user_session, taskhost.audit, taskhost.kv, taskhost.secret, taskhost.seal_key, taskhost.event, taskhost.event_pruned")
	open(t, pgstore.Config{URL: database})
}

func TestTablesOfANewerProgram(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"ours":        "INSERT INTO taskhost.taskhost_migration (version, name) VALUES (999, '999_later.sql')",
		"the queue's": "INSERT INTO taskhost.river_migration (line, version) VALUES ('main', 999)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := pgtest.Database(t)
			_, err := pgstore.Migrate(t.Context(), pgstore.Config{URL: database})
			require.NoError(t, err)
			execute(t, database, change)
			require.ErrorContains(t, refused(t, pgstore.Config{URL: database}), "to version 999 by a newer program")
			_, err = pgstore.Migrate(t.Context(), pgstore.Config{URL: database})
			require.ErrorContains(t, err, "to version 999 by a newer program")
		})
	}
}

// TestAnotherProgramsQueue: a program that uses River itself is left alone, in the
// same database and in the same schema.
func TestAnotherProgramsQueue(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	pool, err := pgxpool.New(t.Context(), database)
	require.NoError(t, err)
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	require.NoError(t, err)
	_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	execute(t, database, "INSERT INTO river_job (kind, args, queue, max_attempts) VALUES ('wasm', '{}', 'async', 3)")

	err = refused(t, pgstore.Config{URL: database, Schema: "public"})
	require.ErrorContains(t, err, "the schema public holds the table river_job of another program: choose another schema")
	require.Zero(t, number(t, database, "SELECT count(*) FROM pg_tables WHERE tablename IN ('task', 'taskhost_migration')"))

	store := open(t, pgstore.Config{URL: database})
	start(t, store, echo)
	id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.NoError(t, err)
	require.Equal(t, task.Success, within(t, store, id, 10*time.Second).Status)
	require.Equal(t, 1, number(t, database, "SELECT count(*) FROM public.river_job WHERE state = 'available' AND attempt = 0"))
	require.Equal(t, 1, number(t, database, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.river_job'::regclass AND pg_get_constraintdef(oid) LIKE '%<= 4%'"))
}

// TestForeignTickets: rows that others put into our queue's table are dropped, and
// stop nothing.
func TestForeignTickets(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	store := open(t, pgstore.Config{URL: database})
	start(t, store, echo)
	execute(t, database, `INSERT INTO taskhost.river_job (kind, args, queue, priority) VALUES
		('go:work', '{}', 'async', 1), ('go:work', '{"task_id": "no id"}', 'async', 1), ('go:work', '[1]', 'async', 1),
		('go:work', '{"task_id": "01890a5d-ac96-774b-bcce-b302099a8057"}', 'async', 1),
		('other', '{}', 'async', 1), ('go:work', '{}', 'elsewhere', 1)`)
	id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.NoError(t, err)
	require.Equal(t, task.Success, within(t, store, id, 10*time.Second).Status)
	require.Equal(t, 2, number(t, database, "SELECT count(*) FROM taskhost.river_job"), "those of kinds and queues that are not ours are left alone")
}

// TestOneConnection: everything works with a pool of one, also while the caller
// holds it.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(pgtest.Database(t))
	require.NoError(t, err)
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store := open(t, pgstore.Config{Pool: pool})
	start(t, store, func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "working", nil)
		return task.Outcome{Result: exec.Args}
	})
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	id, err := store.EnqueueTx(t.Context(), tx, task.Request{Name: "work", EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k"}})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	for range 20 {
		_, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
		require.NoError(t, err)
	}
	require.Equal(t, task.Success, within(t, store, id, 20*time.Second).Status)
	require.NoError(t, store.Stop(t.Context()))
	require.NoError(t, pool.Ping(t.Context()), "it is the caller's to close")
}
