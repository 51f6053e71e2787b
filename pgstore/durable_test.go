package pgstore_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// committing is the address of a database for sessions that commit so.
func committing(t *testing.T, database, how string) string {
	t.Helper()
	address, err := url.Parse(database)
	require.NoError(t, err)
	query := address.Query()
	query.Set("synchronous_commit", how)
	address.RawQuery = query.Encode()
	return address.String()
}

// TestWhatIsNotDurableIsRefused: whatever makes it so, for the sessions of the store.
func TestWhatIsNotDurableIsRefused(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	for _, commit := range []string{"on", "local", "remote_write", "remote_apply"} {
		open(t, pgstore.Config{URL: committing(t, database, commit)})
	}
	unsafe := committing(t, database, "off")
	err := refused(t, pgstore.Config{URL: unsafe})
	require.ErrorContains(t, err, "with synchronous_commit=off, what was committed in the last second is lost")
	require.ErrorContains(t, err, "--allow-unsafe-database")

	pool, err := pgxpool.New(t.Context(), unsafe)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.ErrorContains(t, refused(t, pgstore.Config{Pool: pool}), "synchronous_commit=off")

	role := pgtest.Role(t, database)
	parsed, err := url.Parse(role)
	require.NoError(t, err)
	name := parsed.User.Username()
	execute(t, database, "ALTER ROLE "+name+" SET synchronous_commit = off",
		"GRANT USAGE ON SCHEMA taskhost TO "+name, "GRANT SELECT ON ALL TABLES IN SCHEMA taskhost TO "+name)
	require.ErrorContains(t, refused(t, pgstore.Config{URL: role, NoMigrate: true}), "synchronous_commit=off")

	var log bytes.Buffer
	store := open(t, pgstore.Config{URL: unsafe, AllowUnsafe: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Contains(t, log.String(), "level=WARN msg=\"tasks can get lost")
	start(t, store, echo)
	_, err = store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.NoError(t, err)
	durability, err := store.Durability(t.Context())
	require.NoError(t, err)
	require.Equal(t, "fsync=on synchronous_commit=off", durability)
}

func TestServerWithoutFsync(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start(t.Context(), pgtest.Options{Settings: map[string]string{"fsync": "off", "full_page_writes": "off"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	database := server.URL("postgres")
	require.ErrorContains(t, refused(t, pgstore.Config{URL: database}), "with fsync=off, what was committed is lost when the machine goes down")
	var log bytes.Buffer
	open(t, pgstore.Config{URL: database, AllowUnsafe: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Contains(t, log.String(), "fsync=off")
	require.Contains(t, log.String(), "full_page_writes=off")
}
