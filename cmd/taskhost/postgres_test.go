package main

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/task"
)

// secret is a password that must not be seen. Servers for tests do not ask for one,
// and take any.
const secret = "th_pgsecret"

// secretDatabase is an empty Postgres database, with a password in its address.
func secretDatabase(t *testing.T) (address, password string) {
	t.Helper()
	parsed, err := url.Parse(pgtest.Database(t))
	require.NoError(t, err)
	password, set := parsed.User.Password()
	if !set || password == "" {
		password = secret
		parsed.User = url.UserPassword(parsed.User.Username(), password)
	}
	return parsed.String(), password
}

func scriptDatabase(t *testing.T, ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: database VAR")
	}
	if os.Getenv(pgtest.Variable) == "" {
		ts.Fatalf("there is no Postgres server: set %s, or use 'go run ./internal/pgtest/run go test ./cmd/taskhost'", pgtest.Variable)
	}
	address, password := secretDatabase(t)
	ts.Setenv(args[0], address)
	ts.Setenv("SECRET", password)
	parsed, err := url.Parse(address)
	ts.Check(err)
	parsed.User = url.UserPassword("taskhost_nobody", password)
	ts.Setenv(args[0]+"_NOBODY", parsed.String())
}

func scriptNoSecret(ts *testscript.TestScript, _ bool, _ []string) {
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(stream), ts.Getenv("SECRET")) {
			ts.Fatalf("%s has the password", stream)
		}
	}
}

// TestWhyATaskWaits: a task of a Go function whose program has gone, on a server
// that does not have it.
func TestWhyATaskWaits(t *testing.T) {
	address, password := secretDatabase(t)
	for name, database := range map[string]string{"sqlite": t.TempDir() + "/tasks.db", "postgres": address} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			program, err := taskhost.New(ctx, taskhost.Config{Database: database})
			require.NoError(t, err)
			greet, err := taskhost.Register(program, "greet", func(_ context.Context, name string) (string, error) { return name, nil }, task.Options{})
			require.NoError(t, err)
			id, err := greet.Enqueue(ctx, "world", taskhost.EnqueueOptions{})
			require.NoError(t, err)
			require.NoError(t, program.Stop(ctx))

			s := serve(t, "--database", database)
			const reason = "none of the 1 nodes that are running has the Go function greet: start a program that registers it"
			code, stdout, stderr := runIn(t, nil, "task", "show", id.String(), "--data-dir", s.dir)
			require.Zero(t, code, stderr)
			require.Regexp(t, `(?m)^waiting +`+reason+`$`, stdout)
			code, stdout, stderr = runIn(t, nil, "task", "show", id.String(), "--data-dir", s.dir, "--output", "json")
			require.Zero(t, code, stderr)
			require.Contains(t, stdout, `"waiting_reason": "`+reason+`"`)

			if name == "postgres" { // a file has the functions of the one process that works it
				requireWaitSays(t, s, reason)
			}
			require.Zero(t, s.end(t), s.stderr)
			require.NotContains(t, s.stderr.String(), password)
		})
	}
}

// requireWaitSays has somebody wait for such a task, who is told why there is
// nothing to see, and is not kept.
func requireWaitSays(t *testing.T, s *serving, reason string) {
	t.Helper()
	code, stdout, stderr := runIn(t, nil, "task", "enqueue", "greet", "--args", `"world"`, "--wait-timeout", "1s", "--data-dir", s.dir)
	require.Equal(t, exitStillWaiting, code, stderr)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "waiting: "+reason+"\n")
	require.Regexp(t, `is stored, whatever happens here; to look at it: taskhost task show [0-9a-f-]{36} --data-dir `+s.dir+"\n", stderr)
	require.Contains(t, stderr, "taskhost: the task has not ended in the time to wait\n")
}
