package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"taskhost": main})
}

// The scripts run the command as a user types it. $FLAKY is a built guest.
func TestScripts(t *testing.T) {
	flaky := buildGuest(t, "flaky")
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FLAKY", flaky)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TASKHOST_DATA_DIR", filepath.Join(env.WorkDir, "data"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"waitfor": waitFor,
			"isjson":  isJSON,
		},
	})
}

var guests struct {
	sync.Mutex
	built map[string]string
}

// buildGuest builds an example guest, once, and returns the path of the module.
func buildGuest(t *testing.T, name string) string {
	t.Helper()
	guests.Lock()
	defer guests.Unlock()
	if path := guests.built[name]; path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), name+".wasm")
	root, err := findCheckout()
	require.NoError(t, err)
	require.NoError(t, goBuild(t.Context(), os.Environ(), root, path, "./examples/wasm-tasks/"+name))
	if guests.built == nil {
		guests.built = make(map[string]string)
	}
	guests.built[name] = path
	return path
}

// waitFor waits until a file is there: waitfor FILE.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 3000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		<-ticker.C
	}
	ts.Fatalf("%s does not appear", args[0])
}

// isJSON checks that a command printed JSON: isjson stdout.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: isjson stdout")
	}
	if text := ts.ReadFile(args[0]); json.Valid([]byte(text)) == neg {
		ts.Fatalf("valid JSON: %v: %s", !neg, text)
	}
}

func TestDemo(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Fatal("the demo builds its guests: there must be a go command on the PATH")
	}
	out := runCommand(t, []string{"TMPDIR=" + t.TempDir()}, "demo", "--exit")
	require.Equal(t, 0, out.code, out.stderr)
	require.NotContains(t, out.stderr, "\x1b", "no bar where there is no terminal")
	for _, row := range []string{
		`(?m)^thumbs\.resize +photo-4\.jpg +success +1 +\S+ +240×160 JPEG`,
		`(?m)^reports\.sales +sales\.csv, 10,000 rows +success +1 .*"rows":10000`,
		`(?m)^demo\.flaky +fails twice +success +3 .*"attempts":3`,
		`(?m)^demo\.broken +always fails +failed +1 `,
	} {
		require.Regexp(t, row, out.stdout)
	}
	require.Regexp(t, `(?m)^Thumbnails: `, out.stderr)
	requireThumbnails(t, out.stderr)
}
