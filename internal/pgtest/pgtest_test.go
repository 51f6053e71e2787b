//go:build unix

package pgtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const (
	waitAtMost = 20 * time.Second
	tick       = 20 * time.Millisecond
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func started(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func query(t *testing.T, conn *pgx.Conn, statement string) (value string) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), statement).Scan(&value))
	return value
}

func statement(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), statement)
	require.NoError(t, err)
}

// processes is the server, all that it has forked, and the guard.
func processes(t *testing.T, s *Server) []int {
	t.Helper()
	pids, err := children(s.server.Process.Pid)
	require.NoError(t, err)
	require.NotEmpty(t, pids)
	return append(pids, s.server.Process.Pid, s.guard.cmd.Process.Pid)
}

func requireGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		// A child of what was killed is init's, which may take its time.
		require.Eventually(t, func() bool { return gone(pid) }, waitAtMost, tick, pid)
	}
}

func gone(pid int) bool {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || strings.Contains(string(stat), ") Z ")
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	log := &tail{}
	s, err := Start(t.Context(), Options{Settings: map[string]string{"work_mem": "5MB"}, Log: log})
	require.NoError(t, err)
	conn := connect(t, s.URL("postgres"))
	require.Equal(t, "5MB", query(t, conn, "SHOW work_mem"))
	require.Equal(t, "on", query(t, conn, "SHOW fsync"))
	require.Equal(t, "on", query(t, conn, "SHOW synchronous_commit"))
	require.Equal(t, "UTF8", query(t, conn, "SHOW server_encoding"))
	require.Equal(t, "127.0.0.1", query(t, conn, "SHOW listen_addresses"))
	require.Equal(t, s.data(), query(t, conn, "SHOW data_directory"))
	_, err = conn.Exec(t.Context(), "SELECT nonsense")
	require.Error(t, err)
	require.Eventually(t, func() bool { return log.has(`column "nonsense" does not exist`) }, waitAtMost, tick)
	pids := processes(t, s)

	require.NoError(t, s.Stop()) // although there is a connection
	requireGone(t, pids)
	require.NoDirExists(t, s.folder)
	require.NoError(t, s.Stop(), "again")
}

func TestRestartKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	s := started(t, Options{})
	statement(t, connect(t, s.URL("postgres")), "CREATE TABLE marks (mark text)")
	for name, end := range map[string]func() error{"killed": s.Kill, "halted": s.Halt, "running": func() error { return nil }} {
		conn, open := connect(t, s.URL("postgres")), connect(t, s.URL("postgres"))
		statement(t, conn, "INSERT INTO marks VALUES ('"+name+"')")
		statement(t, open, "BEGIN")
		statement(t, open, "INSERT INTO marks VALUES ('never committed')")

		require.NoError(t, end(), name)
		if name != "running" {
			_, err := pgx.Connect(t.Context(), s.URL("postgres"))
			require.ErrorIs(t, err, syscall.ECONNREFUSED, name)
		}
		require.NoError(t, s.Restart(t.Context()), name)
		require.Error(t, conn.Ping(t.Context()), "the connections are gone")
		conn = connect(t, s.URL("postgres"))
		require.Equal(t, "1", query(t, conn, "SELECT count(*)::text FROM marks WHERE mark = '"+name+"'"), name)
		require.Equal(t, "0", query(t, conn, "SELECT count(*)::text FROM marks WHERE mark = 'never committed'"))
	}
	require.NoError(t, s.Kill())
	require.ErrorContains(t, s.Kill(), "does not run")
	require.NoError(t, s.Halt(), "nothing to do")
}

// TestKillIsAtOnce: a statement in progress is no reason to wait, and nothing
// is left when the server is then stopped.
func TestKillIsAtOnce(t *testing.T) {
	t.Parallel()
	s := started(t, Options{})
	busy, other := connect(t, s.URL("postgres")), connect(t, s.URL("postgres"))
	failed := make(chan error)
	go func() {
		_, err := busy.Exec(context.WithoutCancel(t.Context()), "SELECT sum(n) FROM generate_series(1, 1000000000000) n")
		failed <- err
	}()
	require.Eventually(t, func() bool {
		return query(t, other, "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT sum%'") == "1"
	}, waitAtMost, tick)
	pids := processes(t, s)
	before := time.Now()
	require.NoError(t, s.Kill())
	require.Less(t, time.Since(before), 5*time.Second)
	err := <-failed
	require.Error(t, err)
	require.NotContains(t, err.Error(), "shutdown", "nobody has said goodbye")
	require.DirExists(t, s.data())
	require.NoError(t, s.Stop())
	requireGone(t, pids)
	require.NoDirExists(t, s.folder)
}

func TestStartThatIsCutShortLeavesNothing(t *testing.T) {
	temp := sharedTemp(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	failed := make(chan error)
	go func() {
		_, err := Start(ctx, Options{})
		failed <- err
	}()
	require.Eventually(t, func() bool {
		begun, err := filepath.Glob(filepath.Join(temp, "*", "data", "PG_VERSION"))
		return err == nil && len(begun) == 1
	}, waitAtMost, tick)
	cancel(enough) // initdb is at work
	require.ErrorIs(t, <-failed, enough)
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestStartSaysWhyItFails(t *testing.T) {
	temp := sharedTemp(t)
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	require.ErrorContains(t, err, `unrecognized configuration parameter "no_such_setting"`)
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	log := &tail{}
	for range 3 {
		_, err := log.Write([]byte(strings.Repeat("x", 5000) + "end"))
		require.NoError(t, err)
	}
	require.Len(t, log.String(), 8192)
	require.True(t, strings.HasSuffix(log.String(), "xxend"))
}

// sharedTemp makes the folder for temporary files one of this test alone, that
// the server's account can get to: t.TempDir is closed to it.
func sharedTemp(t *testing.T) string {
	t.Helper()
	temp, err := os.MkdirTemp("", "taskhost-pgtest-"+strconv.Itoa(os.Getpid()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(temp)) })
	require.NoError(t, os.Chmod(temp, 0o777))
	t.Setenv("TMPDIR", temp)
	return temp
}
