package modules_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// keeps gives back what is put.
func keeps() *shelf {
	return &shelf{put: func(version modules.Version, _ []byte) (*modules.Version, error) { return &version, nil }}
}

func TestPushOfACommand(t *testing.T) {
	library := modules.NewLibrary(keeps(), found{Command: true, MinMemory: 64 << 20}, task.Ceilings{})
	for _, name := range []string{"wordcount", "text.word-count", "a.0"} {
		version, err := library.Push(t.Context(), name, []byte("wasm"))
		require.NoError(t, err)
		require.Empty(t, version.SDK)
		require.Equal(t, []task.Definition{{
			Name: name, Description: "WASI command", Executor: task.Wasm,
			Options: task.Options{Executor: task.Wasm}.WithDefaults(),
		}}, version.Definitions)
		require.NoError(t, version.Definitions[0].Options.Validate())
	}
}

// A command asks for nothing, and has what the host allows.
func TestPushOfACommandUnderCeilings(t *testing.T) {
	ceilings := task.Ceilings{Memory: 32 << 20, Fuel: 1000, Timeout: time.Second}
	version, err := modules.NewLibrary(keeps(), found{Command: true}, ceilings).Push(t.Context(), "a", []byte("wasm"))
	require.NoError(t, err)
	want := task.Options{Executor: task.Wasm, Memory: 32 << 20, Fuel: 1000, Timeout: time.Second}.WithDefaults()
	require.Equal(t, want, version.Definitions[0].Options)
}

// A module may have names that a task may not have.
func TestPushOfACommandThatIsNoTasksName(t *testing.T) {
	library := modules.NewLibrary(keeps(), found{Command: true}, task.Ceilings{})
	for _, name := range []string{"3d", "a.", "a..b"} {
		_, err := library.Push(t.Context(), name, []byte("wasm"))
		var invalid *task.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, "name", invalid.Field)
		require.ErrorContains(t, err, `name "`+name+`" is not the name of a task, and the task of a WASI command is called as its module is: push it as `)
		_, err = modules.NewLibrary(keeps(), inspectFunc(func(string, []byte) ([]byte, error) {
			return []byte(`{"definitions":[{"name":"a"}]}`), nil
		}), task.Ceilings{}).Push(t.Context(), name, []byte("wasm"))
		require.NoError(t, err, "a guest names its tasks itself")
	}
}

// A definition that could never run is refused.
func TestPushComparesMemory(t *testing.T) {
	const manifest = `{"definitions":[{"name":"a"},{"name":"b","options":{"memory_bytes":131072}}]}`
	for name, test := range map[string]struct {
		found found
		want  string // empty: it is taken
	}{
		"enough":            {found{Manifest: []byte(manifest), MinMemory: 131072}, ""},
		"too little":        {found{Manifest: []byte(manifest), MinMemory: 131073}, "b may use 131072 bytes of memory, but the module starts with 131073: raise memory_bytes of the definition"},
		"command":           {found{Command: true, MinMemory: 64 << 20}, ""},
		"command, too much": {found{Command: true, MinMemory: 64<<20 + 1}, "it starts with 67108865 bytes of memory, and a WASI command may use 67108864: build it with less"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := modules.NewLibrary(keeps(), test.found, task.Ceilings{}).Push(context.Background(), "m", []byte("wasm"))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			var rejected *modules.RejectedError
			require.ErrorAs(t, err, &rejected)
			require.Equal(t, test.want, rejected.Reason)
		})
	}
}
