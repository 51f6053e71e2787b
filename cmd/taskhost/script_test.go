package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// TestScripts runs the scripts in testdata/script, each in a directory of its
// own with an environment of its own. Their guest is $GUESTS/tiny.wasm and their
// WASI command $GUESTS/copy.wasm, which compile in no time under the race
// detector too. Beside testscript's commands they have:
//
//	code N COMMAND...     run a command, which must end with the exit code N
//	awaitserver [DIR]     wait until a server announces itself in a data directory
//	awaitstatus ID STATUS wait until a task of that server has got to a state
//	awaitgone ID          wait until a task of that server is not there any more
//	json [KEY VALUE]...   the last output is one JSON value, an object with these
//	jsonlines             each line of the last output is a JSON value
//	jsonenv VAR KEY       set a variable to what the last output has under a key
//	database VAR          set a variable to the address of an empty Postgres
//	                      database; the password in it is th_pgsecret, unless the
//	                      server for tests has one of its own
//	nosecret              the last output has nothing of that password
func TestScripts(t *testing.T) {
	guests := tinyDir(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GUESTS", guests)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":        scriptCode,
			"awaitserver": scriptAwaitServer,
			"awaitstatus": scriptAwaitStatus,
			"awaitgone":   scriptAwaitGone,
			"json":        scriptJSON,
			"jsonlines":   scriptJSONLines,
			"jsonenv":     scriptJSONEnv,
			"database":    func(ts *testscript.TestScript, _ bool, args []string) { scriptDatabase(t, ts, args) },
			"nosecret":    scriptNoSecret,
		},
	})
}

// tinyDir is a directory with tiny.wasm and copy.wasm in it.
func tinyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tiny.wasm"), tinyModule(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "copy.wasm"), tinyCommand(), 0o600))
	return dir
}

func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	have := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		have = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if have != want {
		ts.Fatalf("exit code %d, want %d", have, want)
	}
}

// scriptAwaitServer sets SERVER to the server's URL and ADDRESS to where it
// listens.
func scriptAwaitServer(ts *testscript.TestScript, neg bool, args []string) {
	dir := dataDir(ts)
	if len(args) > 0 {
		dir = ts.MkAbs(args[0])
	}
	scriptAwait(ts, func() (bool, error) {
		address, err := findServer(dir)
		ts.Setenv("SERVER", address)
		ts.Setenv("ADDRESS", strings.TrimPrefix(address, "http://"))
		return err == nil, err
	})
}

func dataDir(ts *testscript.TestScript) string {
	return filepath.Join(ts.Getenv("XDG_STATE_HOME"), "taskhost")
}

func scriptAwaitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: awaitstatus ID STATUS")
	}
	id, err := task.ParseID(args[0])
	ts.Check(err)
	token, err := readToken(filepath.Join(dataDir(ts), tokenFile))
	ts.Check(err)
	c := newClient(ts.Getenv("SERVER"), token)
	defer c.http.CloseIdleConnections()
	scriptAwait(ts, func() (bool, error) {
		t, err := c.task(context.Background(), id, 0)
		return err == nil && t.Status == task.Status(args[1]), err
	})
}

// scriptAwaitGone waits until a task is not there any more.
func scriptAwaitGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: awaitgone ID")
	}
	id, err := task.ParseID(args[0])
	ts.Check(err)
	token, err := readToken(filepath.Join(dataDir(ts), tokenFile))
	ts.Check(err)
	c := newClient(ts.Getenv("SERVER"), token)
	defer c.http.CloseIdleConnections()
	scriptAwait(ts, func() (bool, error) {
		_, err := c.task(context.Background(), id, 0)
		return err != nil && strings.Contains(err.Error(), "not found"), err
	})
}

// scriptAwait tries until something is done.
func scriptAwait(ts *testscript.TestScript, try func() (done bool, err error)) {
	deadline := time.After(time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		done, err := try()
		if done {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			ts.Fatalf("it does not come: %v", err)
		}
	}
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	value := lastJSON(ts)
	if neg || len(args)%2 != 0 {
		ts.Fatalf("usage: json [KEY VALUE]...")
	}
	for i := 0; i < len(args); i += 2 {
		if have := under(ts, value, args[i]); have != args[i+1] {
			ts.Fatalf("%s is %s, want %s", args[i], have, args[i+1])
		}
	}
}

func lastJSON(ts *testscript.TestScript) any {
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		ts.Fatalf("the output is no JSON: %v", err)
	}
	if decoder.More() {
		ts.Fatalf("the output is JSON and something more")
	}
	return value
}

// under follows a path such as 0.options.priority.
func under(ts *testscript.TestScript, value any, path string) string {
	for _, step := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[step]
			if !ok {
				ts.Fatalf("there is no %s", path)
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				ts.Fatalf("there is no %s in %d elements", path, len(v))
			}
			value = v[i]
		default:
			ts.Fatalf("there is no %s in %v", path, value)
		}
	}
	return fmt.Sprint(value)
}

func scriptJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	text := strings.TrimSuffix(ts.ReadFile("stdout"), "\n")
	if text == "" {
		ts.Fatalf("there are no lines")
	}
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) || !bytes.HasPrefix([]byte(line), []byte("{")) {
			ts.Fatalf("the line is no JSON object: %s", line)
		}
	}
}

func scriptJSONEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonenv VAR KEY")
	}
	ts.Setenv(args[0], under(ts, lastJSON(ts), args[1]))
}

// TestScriptsAreThere: a directory that is empty would pass.
func TestScriptsAreThere(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("testdata", "script"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(entries), 10)
}
