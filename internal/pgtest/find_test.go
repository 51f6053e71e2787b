//go:build unix

package pgtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// installed makes programs that only know their version.
func installed(t *testing.T, folder, initdb, postgres string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for name, version := range map[string]string{"initdb": initdb, "postgres": postgres} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755))
	}
	return folder
}

func TestFind(t *testing.T) {
	temp := sharedTemp(t)
	account, err := ordinary()
	require.NoError(t, err)
	real, err := find(t.Context(), account, folders)
	require.NoError(t, err)

	others := []string{filepath.Join(temp, "lib", "*", "bin")}
	for _, version := range []string{"9.6", "16", "17"} {
		installed(t, filepath.Join(temp, "lib", version, "bin"), version+".3", version+".3")
	}
	newest := filepath.Join(temp, "lib", "17", "bin")
	empty := filepath.Join(temp, "empty")
	require.NoError(t, os.Mkdir(empty, 0o755))
	linked := filepath.Join(temp, "linked")
	require.NoError(t, os.Mkdir(linked, 0o755))
	closed := installed(t, filepath.Join(temp, "closed", "bin"), "17.1", "17.1")
	require.NoError(t, os.Chmod(filepath.Join(temp, "closed"), 0o000))
	t.Cleanup(func() { require.NoError(t, os.Chmod(filepath.Join(temp, "closed"), 0o700)) }) // or it could not be removed
	for _, name := range []string{"initdb", "postgres"} {
		require.NoError(t, os.Symlink(filepath.Join(newest, name), filepath.Join(linked, name)))
	}

	for name, test := range map[string]struct {
		path, want string
	}{
		"the newest, by number":           {empty, newest},
		"the PATH first":                  {installed(t, filepath.Join(temp, "path"), "15beta1", "15beta1"), filepath.Join(temp, "path")},
		"through links":                   {linked, linked},
		"not an old one":                  {installed(t, filepath.Join(temp, "old"), "13.9", "13.9"), newest},
		"not half of one and of another":  {installed(t, filepath.Join(temp, "mixed"), "16.1", "17.1"), newest},
		"not what the account cannot run": {closed, newest},
	} {
		t.Setenv("PATH", test.path+":/bin:/usr/bin")
		found, err := find(t.Context(), account, others)
		require.NoError(t, err, name)
		require.Equal(t, in(test.want), found, name)
	}

	t.Setenv("PATH", filepath.Join(temp, "old")+":"+empty)
	_, err = find(t.Context(), account, []string{filepath.Join(temp, "nowhere", "*")})
	require.ErrorContains(t, err, "Taskhost needs 14 or newer")
	require.ErrorContains(t, err, "apt-get install postgresql")

	// A script that calls the real one is as good.
	for _, program := range []string{real.initdb, real.postgres} {
		script := "#!/bin/sh\nexec " + program + ` "$@"` + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(empty, filepath.Base(program)), []byte(script), 0o755))
	}
	t.Setenv("PATH", empty)
	s := started(t, Options{})
	require.Equal(t, in(empty), s.binaries)
	require.Equal(t, "1", query(t, connect(t, s.URL("postgres")), "SELECT '1'"))
}
