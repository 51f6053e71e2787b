package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable is the environment variable with the address of the server that a
// test run shares: a URL, whose user may make databases.
const Variable = "TASKHOST_TEST_DATABASE_URL"

// Database makes an empty database on the server that the test run shares, and
// returns its URL. It is dropped when the test ends, open connections or not.
// Without a server the test fails.
func Database(t testing.TB) string {
	t.Helper()
	server := shared(t)
	name := unique()
	// template0 is never in use, and has nothing of the administrator's in it.
	execute(t, t.Context(), server, "CREATE DATABASE "+name+" TEMPLATE template0")
	later(t, func(ctx context.Context) {
		execute(t, ctx, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	database := *server
	database.Path = "/" + name
	return database.String()
}

// Role makes a role that may log in to a database that [Database] made, and has
// no other right, not even to make tables. It returns the URL of the database for
// that role, which is dropped when the test ends, with all that it owns.
func Role(t testing.TB, database string) string {
	t.Helper()
	address := parse(t, database)
	name, password := unique(), strings.ToLower(rand.Text())
	execute(t, t.Context(), address,
		"CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"'",
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC") // Postgres 14 grants it
	later(t, func(ctx context.Context) {
		execute(t, ctx, address, "DROP OWNED BY "+name, "DROP ROLE "+name)
	})
	role := *address
	role.User = url.UserPassword(name, password)
	return role.String()
}

func shared(t testing.TB) *url.URL {
	t.Helper()
	address := os.Getenv(Variable)
	if address == "" {
		t.Fatal("This test needs a Postgres server, and " + Variable + " names none. Run `make test`, " +
			"or `go run ./internal/pgtest/run go test ./pgstore`, which start one for the tests; " +
			"or set " + Variable + " to the postgres:// URL of one whose user may make databases.")
	}
	return parse(t, address)
}

func parse(t testing.TB, address string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		t.Fatal("The address of a Postgres server is to be a URL like postgres://user:password@host:5432/postgres; look at " + Variable + ".")
	}
	return parsed
}

// unique is a name that no other test has, in this process or another.
func unique() string { return "taskhost_" + strings.ToLower(rand.Text()) }

func execute(t testing.TB, ctx context.Context, address *url.URL, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, address.String())
	if err != nil {
		t.Fatalf("Connect to the Postgres server for tests: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // what was executed is committed
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// later cleans up after the test, whose own context has ended by then.
func later(t testing.TB, clean func(context.Context)) {
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		clean(ctx)
	})
}
