package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type output struct {
	code           int
	stdout, stderr string
}

// runCommand runs the command in this process, with a data directory of its own.
func runCommand(t *testing.T, environ []string, args ...string) output {
	t.Helper()
	var stdout, stderr bytes.Buffer
	environ = slices.Concat(os.Environ(), []string{"TASKHOST_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}, environ)
	code := run(t.Context(), args, environ, strings.NewReader(""), &stdout, &stderr)
	return output{code, stdout.String(), stderr.String()}
}

func TestExitCodes(t *testing.T) {
	occupied, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, occupied.Close()) }()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	for name, test := range map[string]struct {
		environ []string
		args    []string
		code    int
		says    string
	}{
		"help":               {nil, []string{"--help"}, 0, ""},
		"unknown command":    {nil, []string{"frobnicate"}, exitUsage, "frobnicate"},
		"unknown flag":       {nil, []string{"serve", "--frobnicate"}, exitUsage, "See 'taskhost serve --help'."},
		"missing argument":   {nil, []string{"task", "show"}, exitUsage, "Usage: taskhost task show ID"},
		"malformed id":       {[]string{"TASKHOST_TOKEN=th_secret"}, []string{"task", "show", "7", "--server", "http://127.0.0.1:1"}, exitUsage, "is not a UUID"},
		"unknown setting":    {[]string{"TASKHOST_NO_SUCH=1"}, []string{"version"}, exitUsage, `environment: there is no setting "no_such"`},
		"kubernetes":         {[]string{"TASKHOST_PORT=tcp://10.0.0.1:80", "TASKHOST_SERVICE_HOST=10.0.0.1"}, []string{"version"}, 0, ""},
		"bare duration":      {[]string{"TASKHOST_SHUTDOWN_TIMEOUT=30"}, []string{"version"}, exitUsage, "write it with a unit"},
		"no server":          {nil, []string{"module", "list"}, exitFailed, "start one with 'taskhost serve'"},
		"far server":         {nil, []string{"module", "list", "--server", "http://tasks.example:7420"}, exitUsage, "over https"},
		"far server, no key": {nil, []string{"module", "list", "--server", "https://tasks.example"}, exitUsage, "set TASKHOST_TOKEN"},
		"port in use":        {nil, []string{"serve", "--listen", occupied.Addr().String()}, exitFailed, "choose another with --listen"},
		"not loopback":       {nil, []string{"serve", "--listen", "0.0.0.0:0"}, exitUsage, "is not a loopback address"},
		"no data directory":  {[]string{"TASKHOST_DATA_DIR=" + filepath.Join(file, "below")}, []string{"serve", "--listen", "127.0.0.1:0"}, exitFailed, "choose another with --data-dir"},
		"nothing there":      {nil, []string{"serve", "--listen", "127.0.0.1:0", "--database", "postgres://u:secret@127.0.0.1:1/db"}, exitFailed, "check that Postgres runs there and takes connections\n"},
		"no address":         {nil, []string{"serve", "--listen", "127.0.0.1:0", "--database", "postgres://u:se/secret@127.0.0.1:1/db"}, exitFailed, "write it as postgres://"},
		"another database":   {nil, []string{"serve", "--database", "mysql://u:secret@h/db"}, exitUsage, "mysql:// is not supported: tasks are kept in a SQLite file, given by its path, or in Postgres, as postgres://"},
		"not a module":       {nil, []string{"run", file}, exitFailed, "wasm: "},
	} {
		t.Run(name, func(t *testing.T) {
			out := runCommand(t, test.environ, test.args...)
			require.Equal(t, test.code, out.code, out.stderr)
			require.Contains(t, out.stderr, test.says)
			require.NotContains(t, out.stderr, "secret")
			require.NotContains(t, out.stderr, "taskhost: taskhost:")
			if test.code == exitFailed {
				require.Equal(t, 1, strings.Count(out.stderr, "\n"), "a failure is one line: %s", out.stderr)
			}
		})
	}
}

// A settings file in some directory must not have the local token sent elsewhere.
func TestFileCannotRedirectTheToken(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	reached := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			close(reached)
			_ = conn.Close()
		}
	}()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("th_secret\n"), 0o600))
	settings := filepath.Join(dir, "taskhost.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("server: http://"+listener.Addr().String()+"\n"), 0o600))
	out := runCommand(t, []string{"TASKHOST_DATA_DIR=" + dir}, "module", "list", "--config", settings)
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "needs a credential: set TASKHOST_TOKEN")
	require.NoError(t, listener.Close())
	select {
	case <-reached:
		t.Fatal("the server was asked")
	default:
	}
}

func TestFirstTokenIsPrivateAndStays(t *testing.T) {
	dir := t.TempDir()
	first, err := firstToken(dir)
	require.NoError(t, err)
	require.Regexp(t, `^th_[A-Z2-7]{52}$`, first)
	info, err := os.Stat(filepath.Join(dir, tokenFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := firstToken(dir)
	require.NoError(t, err)
	require.Equal(t, first, again)
}
