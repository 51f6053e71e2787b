package main

import (
	"bytes"
	"cmp"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// runIn calls run as main does, with an environment that has nothing but a home.
func runIn(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, append([]string{"HOME=" + t.TempDir()}, environ...), strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

// leaves are the commands that do something, as they are typed.
func leaves(cmd *cobra.Command) (paths [][]string, commands []*cobra.Command) {
	for _, child := range cmd.Commands() {
		inner, of := leaves(child)
		if len(of) == 0 {
			inner, of = [][]string{nil}, []*cobra.Command{child}
		}
		for i := range of {
			paths = append(paths, append([]string{child.Name()}, inner[i]...))
			commands = append(commands, of[i])
		}
	}
	return paths, commands
}

func TestEveryCommandHasHelp(t *testing.T) {
	paths, commands := leaves((&app{}).rootCommand())
	var typed []string
	for i, cmd := range commands {
		path := strings.Join(paths[i], " ")
		typed = append(typed, path)
		t.Run(path, func(t *testing.T) {
			require.NotEmpty(t, cmd.Short)
			require.NotEqual(t, ".", cmd.Short[len(cmd.Short)-1:], "short texts are no sentences")
			require.Contains(t, cmd.Example, "taskhost "+paths[i][0], "an example that can be typed")
			for line := range strings.Lines(cmd.Example) {
				require.True(t, strings.HasPrefix(line, "  "), "examples are indented: %q", line)
			}
			code, stdout, stderr := runIn(t, nil, append(paths[i], "--help")...)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			require.Contains(t, stdout, cmp.Or(cmd.Long, cmd.Short))
			require.Contains(t, stdout, "Usage:\n  taskhost "+path)
			require.Contains(t, stdout, "Examples:\n"+strings.TrimRight(cmd.Example, "\n"))
			require.Contains(t, stdout, "--output string")
		})
	}
	require.ElementsMatch(t, []string{
		"demo", "serve", "run", "version",
		"module push", "module release", "module list", "module show",
		"task enqueue", "task show", "task logs", "task result", "task list", "task cancel", "task retry", "task watch",
		"history clear", "node list", "node drain", "node undrain", "bench exec", "bench queue",
		"migrate up", "migrate status", "config show",
		"key new", "key status", "key reencrypt", "key forget",
	}, typed)
}

// TestFlagsThatScriptsRelyOn: remote commands take --server, those that
// open a database --database.
func TestFlagsThatScriptsRelyOn(t *testing.T) {
	paths, commands := leaves((&app{}).rootCommand())
	for i, cmd := range commands {
		path := strings.Join(paths[i], " ")
		opens := path == "serve" || path == "demo" || paths[i][0] == "migrate" || path == "config show" || paths[i][0] == "key" && path != "key new"
		for flag, has := range map[string]bool{
			"server":   paths[i][0] == "module" || paths[i][0] == "task" || paths[i][0] == "history" || paths[i][0] == "node" || path == "config show",
			"database": opens || path == "bench queue",
			"schema":   opens,
			"listen":   path == "serve" || path == "config show",
			"exit":     path == "demo",
			"args":     path == "run" || path == "task enqueue",
			"data-dir": true,
			"config":   true,
			"output":   true,
		} {
			found := cmd.Flags().Lookup(flag) != nil || cmd.InheritedFlags().Lookup(flag) != nil
			require.Equal(t, has, found, "%s --%s", path, flag)
		}
	}
}

// TestEverySettingHasAFlag: or can be set in no way that a script sees at once.
// The token and the encryption keys have none, since other users of a machine can read command lines.
func TestEverySettingHasAFlag(t *testing.T) {
	show, _, err := (&app{}).rootCommand().Find([]string{"config", "show"})
	require.NoError(t, err)
	for key := range defaults(func(string) string { return "" }) {
		name := strings.NewReplacer("_", "-", ".", "-").Replace(key)
		if key == retentionAll {
			name = retentionKey
		}
		found := show.Flags().Lookup(name) != nil || show.InheritedFlags().Lookup(name) != nil
		require.Equal(t, key != "token" && key != "encrypt_keys", found, key)
	}
}

func TestAnInterruptedCommandEndsWith130(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"run", filepath.Join(tinyDir(t), "tiny.wasm"), "tiny.forever"}, []string{"HOME=" + t.TempDir()}, strings.NewReader(""), &stdout, &stderr)
	require.Equal(t, exitInterrupted, code, stderr.String())
	require.Contains(t, stderr.String(), "taskhost: interrupted\n")
	require.Empty(t, stdout.String())
}
