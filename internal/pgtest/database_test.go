//go:build unix

package pgtest

import (
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestDatabase(t *testing.T) {
	s := started(t, Options{})
	t.Setenv(Variable, s.URL("postgres"))
	admin := connect(t, s.URL("postgres"))
	made := func() string {
		return query(t, admin, "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'taskhost%'")
	}
	roles := func() string {
		return query(t, admin, "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'taskhost%'")
	}

	var leftOpen *pgx.Conn
	t.Run("are separate", func(t *testing.T) {
		one, other := connect(t, Database(t)), connect(t, Database(t))
		statement(t, one, "CREATE TABLE things ()")
		require.Equal(t, "1", query(t, one, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'things'"))
		require.Equal(t, "0", query(t, other, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'things'"))
		require.Equal(t, "2", made())

		// A test that leaves a connection open is cleaned up after all the same.
		left, err := pgx.Connect(t.Context(), Database(t))
		require.NoError(t, err)
		leftOpen = left
	})
	require.Equal(t, "0", made(), "the test has ended")
	require.Error(t, leftOpen.Ping(t.Context()))

	t.Run("at once", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				require.NoError(t, connect(t, Database(t)).Ping(t.Context()))
			})
		}
	})
	require.Equal(t, "0", made())

	t.Run("a role has no rights", func(t *testing.T) {
		database := Database(t)
		role := connect(t, Role(t, database))
		require.Equal(t, "1", query(t, role, "SELECT '1'"))
		_, err := role.Exec(t.Context(), "CREATE TABLE things ()")
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "42501", refused.Code, "insufficient_privilege")
		// What it is given and what it makes do not keep it from being dropped.
		superuser := connect(t, database)
		statement(t, superuser, "GRANT CREATE ON SCHEMA public TO PUBLIC")
		statement(t, role, "CREATE TABLE things ()")
		statement(t, superuser, "GRANT SELECT ON pg_authid TO "+query(t, role, "SELECT current_user::text"))
		require.Equal(t, "1", roles())
	})
	require.Equal(t, "0", made())
	require.Equal(t, "0", roles())
}

// A fakeT is a test that may fail.
type fakeT struct {
	testing.TB
	said []string
}

func (f *fakeT) Helper() {}

func (f *fakeT) Fatal(args ...any) {
	for _, arg := range args {
		f.said = append(f.said, arg.(string))
	}
	runtime.Goexit()
}

func TestDatabaseWithoutAServerFails(t *testing.T) {
	for address, want := range map[string][]string{
		"":                    {"needs a Postgres server", Variable, "make test", "go run ./internal/pgtest/run go test ./pgstore"},
		"host=/run user=root": {"postgres://user:password@host:5432/postgres", Variable},
	} {
		t.Setenv(Variable, address)
		fake := &fakeT{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Database(fake)
		}()
		<-done
		require.Len(t, fake.said, 1, "it has failed")
		for _, part := range want {
			require.Contains(t, fake.said[0], part)
		}
	}
}
