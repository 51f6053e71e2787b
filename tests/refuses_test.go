package tests_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server that cannot serve says so at once, with what to do, and an exit code
// that tells a mistake in the call (2) from a failure (1).
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	k := built(t)
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	plainFile := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(plainFile, nil, 0o600))

	for name, test := range map[string]struct {
		env    string
		args   []string // beside --data-dir
		dir    string   // where it is not an empty one
		code   int
		stderr []string
	}{
		"port in use":               {args: []string{"--listen", taken.Addr().String()}, code: 1, stderr: []string{taken.Addr().String(), "in use", "--listen"}},
		"all interfaces":            {args: []string{"--listen", "0.0.0.0:0"}, code: 2, stderr: []string{"0.0.0.0:0", "not a loopback address"}},
		"all interfaces, in short":  {args: []string{"--listen", ":0"}, code: 2, stderr: []string{"not a loopback address"}},
		"all interfaces, version 6": {args: []string{"--listen", "[::]:0"}, code: 2, stderr: []string{"not a loopback address"}},
		"another machine's address": {args: []string{"--listen", "192.0.2.1:80"}, code: 2, stderr: []string{"not a loopback address"}},
		"a name":                    {args: []string{"--listen", "example.com:80"}, code: 2, stderr: []string{"not a loopback address"}},
		"no port":                   {args: []string{"--listen", "127.0.0.1"}, code: 2, stderr: []string{"listen", "127.0.0.1:7420"}},
		"below a file":              {dir: filepath.Join(plainFile, "data"), code: 1, stderr: []string{plainFile, "--data-dir"}},
		"a file":                    {dir: plainFile, code: 1, stderr: []string{plainFile, "--data-dir"}},
		"database in no directory":  {args: []string{"--database", filepath.Join(t.TempDir(), "no", "such.db")}, code: 1, stderr: []string{"such.db", "directory does not exist"}},
		"database of something":     {args: []string{"--database", k.guests["flaky"]}, code: 1, stderr: []string{"flaky.wasm", "is no SQLite database"}},
		"unknown setting":           {env: "TASKHOST_NO_SUCH=1", code: 2, stderr: []string{"no_such", "config show"}},
		"setting that is no number": {env: "TASKHOST_MAX_WASM_WORKERS=many", code: 2, stderr: []string{"max_wasm_workers"}},
		"no guests at once":         {args: []string{"--max-wasm-workers", "-1"}, code: 1, stderr: []string{"MaxWasmWorkers", "at least|from 1"}},
		"unknown flag":              {args: []string{"--no-such"}, code: 2, stderr: []string{"no-such", "--help"}},
		"log format":                {args: []string{"--log-format", "xml"}, code: 2, stderr: []string{"text or json"}},
		"timeout that is none":      {args: []string{"--shutdown-timeout", "soon"}, code: 2, stderr: []string{"shutdown_timeout|shutdown-timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := test.dir
			if dir == "" {
				dir = filepath.Join(t.TempDir(), "data")
			}
			cmd := command(t.Context(), k.plain, append(serveArgs(dir), test.args...)...)
			if test.env != "" {
				cmd.Env = append(cmd.Env, test.env)
			}
			run := runToEnd(t, cmd)
			require.Equal(t, test.code, run.code, "%s", run.stderr)
			require.Empty(t, run.stdout)
			for _, text := range test.stderr {
				require.Regexp(t, text, run.stderr)
			}
			require.NotRegexp(t, `goroutine|panic|\.go:\d`, run.stderr)
			require.NoFileExists(t, filepath.Join(dir, "server.json"))
		})
	}
}

// A command that there is not is a mistake in the call like any other.
func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"sevre"}, {"module", "psh"}} {
		run := runToEnd(t, command(t.Context(), built(t).plain, args...))
		require.Equal(t, 2, run.code, "%v: %s", args, run.stderr)
		require.Contains(t, run.stderr, args[len(args)-1])
	}
}

// One server works a data directory. The second leaves the first alone.
func TestSecondServerRefuses(t *testing.T) {
	t.Parallel()
	k := built(t)
	p, c := serve(t, k.dataDir(t))
	address, err := os.ReadFile(filepath.Join(p.dir, "server.json"))
	require.NoError(t, err)

	run := runToEnd(t, command(t.Context(), k.plain, serveArgs(p.dir)...))
	require.Equal(t, 1, run.code)
	require.Regexp(t, "[ -]"+itoa(int64(p.cmd.Process.Pid))+`\b`, run.stderr, "it says who works the file")
	require.Contains(t, run.stderr, "give this one another with --data-dir")

	again, err := os.ReadFile(filepath.Join(p.dir, "server.json"))
	require.NoError(t, err)
	require.Equal(t, string(address), string(again))
	require.Equal(t, "success", c.awaitEnd(t, c.mustEnqueue(t, body{Name: "demo.echo"})).Status)
	p.stop(t)
	require.NoFileExists(t, filepath.Join(p.dir, "server.json"))
}

// What a server makes is for its owner, whatever the mask of new files is.
func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	k := built(t)
	dir := filepath.Join(t.TempDir(), "some", "data")
	shell := command(t.Context(), "/bin/sh", append([]string{"-c", `umask 0; exec "$0" "$@"`, k.plain}, serveArgs(dir)...)...)
	p, err := launchCommand(t.Context(), shell, dir)
	require.NoError(t, err)
	c := p.adopt(t)
	push(t, c, "tiny", declaring(`{"definitions":[{"name":"tiny.nothing"}]}`))
	require.Equal(t, "success", c.awaitEnd(t, c.mustEnqueue(t, body{Name: "tiny.nothing"})).Status)

	modes := make(map[string]fs.FileMode)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		rel, _ := filepath.Rel(dir, path) // of one tree
		modes[rel] = info.Mode().Perm()
		// Workers, who are another user, read the directories of their modules. For
		// everybody else the data directory is closed.
		if rel != "cache" && !strings.HasPrefix(rel, filepath.Join("cache", "workers")) {
			require.Zero(t, info.Mode().Perm()&0o077, "%s is %v", rel, info.Mode())
		}
		require.Zero(t, info.Mode().Perm()&0o022, "%s is %v", rel, info.Mode())
		return err
	}))
	require.EqualValues(t, 0o700, modes["."])
	for _, name := range []string{"token", "taskhost.db", "taskhost.db-wal", "taskhost.db-shm", "taskhost.db.lock", "server.json"} {
		require.Contains(t, modes, name)
		require.EqualValues(t, 0o600, modes[name], name)
	}
	require.GreaterOrEqual(t, len(p.token), 40)
	secret := p.token
	p.stop(t)
	p, _ = serveBinary(t, k.plain, dir)
	require.Equal(t, secret, p.token, "the token stays")
	require.NotContains(t, p.stderr.String(), secret)
	p.stop(t)
}
