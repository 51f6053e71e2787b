package main

import (
	"bytes"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDemoAsItIsBuilt runs the program as users build it: under the race
// detector the three guests take more than a minute to compile.
func TestDemoAsItIsBuilt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "taskhost")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)

	cmd := exec.CommandContext(t.Context(), program, "demo", "--exit")
	cmd.Dir = filepath.Join("..", "..", "docs") // anywhere in a clone
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s\n%s", stdout.String(), stderr.String())

	rows := regexp.MustCompile(`(?m)^(\S+) +(.+?)  +(success|failed) +(\d) +(\S+) +(.+)$`).FindAllStringSubmatch(stdout.String(), -1)
	var got [][]string
	for _, row := range rows {
		got = append(got, []string{row[1], row[2], row[3], row[4]})
		require.Regexp(t, `^[\d.]+(µs|ms|s)$`, row[5])
	}
	require.Equal(t, [][]string{
		{"thumbs.resize", "photo-1.jpg", "success", "1"},
		{"thumbs.resize", "photo-2.jpg", "success", "1"},
		{"thumbs.resize", "photo-3.jpg", "success", "1"},
		{"thumbs.resize", "photo-4.jpg", "success", "1"},
		{"reports.sales", "sales.csv, 10,000 rows", "success", "1"},
		{"demo.flaky", "fails twice", "success", "3"},
		{"demo.broken", "always fails", "failed", "1"},
	}, got, "%s", stdout.String())
	require.Regexp(t, `^TASK +INPUT +STATUS +ATTEMPTS +TIME +RESULT\n`, stdout.String())
	require.Equal(t, 8, bytes.Count(stdout.Bytes(), []byte("\n")), "standard output is the table and nothing else")

	require.NotContains(t, stderr.String(), "ATTEMPTS")
	for _, stream := range []string{stdout.String(), stderr.String()} {
		require.NotContains(t, stream, "\r", "no bar where there is no terminal")
		require.NotContains(t, stream, "\x1b")
	}
	requireThumbnailsIn(t, stderr.String(), dir)
}

func requireThumbnailsIn(t *testing.T, stderr, dir string) {
	t.Helper()
	told := regexp.MustCompile(`(?m)^Thumbnails: (.+)$`).FindStringSubmatch(stderr)
	require.NotNil(t, told, stderr)
	require.Equal(t, dir, filepath.Dir(filepath.Dir(told[1])))
	entries, err := os.ReadDir(told[1])
	require.NoError(t, err)
	require.Len(t, entries, 4)
	seen := make(map[string]bool)
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(told[1], entry.Name()))
		require.NoError(t, err)
		picture, err := jpeg.Decode(bytes.NewReader(text))
		require.NoError(t, err, entry.Name())
		require.Equal(t, 240, picture.Bounds().Dx())
		require.Equal(t, 160, picture.Bounds().Dy(), "its proportions are the photo's, 1200 to 800")
		seen[string(text)] = true
	}
	require.Len(t, seen, 4, "each is of another photo")
	_, err = os.Stat(filepath.Join(filepath.Dir(told[1]), "data"))
	require.ErrorIs(t, err, os.ErrNotExist, "the database is taken away")
}

func TestDemoOutsideOfAClone(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := runIn(t, nil, "demo", "--exit")
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Equal(t, "taskhost: the demo builds the project's examples: run it in a clone of the project\n", stderr)
}

func TestDemoWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	code, _, stderr := runIn(t, nil, "demo", "--exit")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "there is no go command on the PATH: install Go 1.26 or later")
}
