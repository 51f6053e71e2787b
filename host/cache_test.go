package host_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

// prepareFrom prepares a module in an engine of its own that keeps compiled code in a
// directory, executes it, and gives the engine's figures.
func prepareFrom(t *testing.T, dir, digest string, wasm []byte) host.Stats {
	t.Helper()
	e, err := host.New(context.Background(), host.Config{CacheDir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close(context.Background())) }()
	require.NoError(t, e.Prepare(context.Background(), digest, wasm), "whatever is in the directory")
	out := e.Execute(context.Background(), host.Attempt{Digest: digest, Input: []byte("text")}, &logged{})
	require.Nil(t, out.Failure, "%+v", out.Failure)
	require.Equal(t, "text", string(out.Output))
	return e.Stats()
}

// figures are those of the figures that are about compiled code.
func figures(s host.Stats) [3]int64 { return [3]int64{s.Compiled, s.Loaded, s.Rebuilt} }

var compiledAnew, loaded, rebuilt = [3]int64{1, 0, 0}, [3]int64{0, 1, 0}, [3]int64{1, 0, 1}

// kept are the directory of the one module, the file with its code, and that with the
// digests.
func kept(t *testing.T, dir string) (own, code, sums string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "wazero-*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	own = filepath.Dir(filepath.Dir(files[0]))
	return own, files[0], filepath.Join(own, "sums")
}

// Compiled code is taken where it is what was written, and compiled anew where it is
// anything else: that is never the module's fault, and never believed.
func TestKeptCode(t *testing.T) {
	m := echoing("kept")
	wasm := m.bytes()
	digest := digestOf(wasm)
	dir := filepath.Join(t.TempDir(), "made", "by", "the engine")
	require.Equal(t, compiledAnew, figures(prepareFrom(t, dir, digest, wasm)))
	require.Equal(t, loaded, figures(prepareFrom(t, dir, digest, wasm)))
	own, code, sums := kept(t, dir)
	require.Equal(t, strings.ToLower(digest), filepath.Base(own))
	for _, made := range []string{dir, own} {
		info, err := os.Stat(made)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "nobody else may write what is run")
	}
	whole, err := os.ReadFile(code)
	require.NoError(t, err)
	written, err := os.ReadFile(sums)
	require.NoError(t, err)
	write := func(file string, content []byte) func() {
		return func() { require.NoError(t, os.WriteFile(file, content, 0o600)) }
	}
	flipped := func(at int) []byte {
		out := bytes.Clone(whole)
		out[at] ^= 1
		return out
	}
	for name, damage := range map[string]func(){
		"cut short":             write(code, whole[:len(whole)/2]),
		"cut by one":            write(code, whole[:len(whole)-1]),
		"longer by one":         write(code, append(bytes.Clone(whole), 0)),
		"empty":                 write(code, nil),
		"a bit of the header":   write(code, flipped(3)),
		"a bit of the length":   write(code, flipped(20)),
		"a bit in the middle":   write(code, flipped(len(whole)/2)),
		"a bit at the end":      write(code, flipped(len(whole)-1)),
		"another file":          write(code, []byte("what somebody else has left here")),
		"one file more":         write(filepath.Join(own, "notes.txt"), []byte("by hand")),
		"one more by its side":  write(filepath.Join(filepath.Dir(code), "beside"), whole),
		"no sums":               func() { require.NoError(t, os.Remove(sums)) },
		"empty sums":            write(sums, nil),
		"sums of another":       write(sums, bytes.Replace(written, written[:1], []byte("x"), 1)),
		"sums that are longer":  write(sums, append(bytes.Clone(written), written...)),
		"no code":               func() { require.NoError(t, os.Remove(code)) },
		"the code is elsewhere": func() { require.NoError(t, os.Rename(code, code+"2")) },
		"a link": func() {
			require.NoError(t, os.Rename(code, filepath.Join(dir, "moved")))
			require.NoError(t, os.Symlink(filepath.Join(dir, "moved"), code))
		},
	} {
		t.Run(name, func(t *testing.T) {
			damage()
			require.Equal(t, rebuilt, figures(prepareFrom(t, dir, digest, wasm)))
			require.Equal(t, loaded, figures(prepareFrom(t, dir, digest, wasm)), "and is whole again")
			again, err := os.ReadFile(code)
			require.NoError(t, err)
			require.Equal(t, whole, again)
			after, err := os.ReadFile(sums)
			require.NoError(t, err)
			require.Equal(t, written, after)
		})
	}
	// What a process that was killed has left half written does not matter.
	require.NoError(t, os.WriteFile(code+".123.tmp", whole[:10], 0o600))
	require.NoError(t, os.WriteFile(sums+".456.tmp", []byte("half"), 0o600))
	require.Equal(t, loaded, figures(prepareFrom(t, dir, digest, wasm)))
}

// Where nothing can be kept, tasks run all the same.
func TestCodeThatCannotBeKept(t *testing.T) {
	wasm := echoing("not kept").bytes()
	digest := digestOf(wasm)
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"the module's directory is a file": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, digest), []byte("a file"), 0o600))
		},
		"the module's directory is a link to nowhere": func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere", "at", "all"), filepath.Join(dir, digest)))
		},
		"the sums are a directory": func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, digest, "sums", "x"), 0o700))
		},
		"the directory has gone": func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			spoil(t, dir)
			stats := prepareFrom(t, dir, digest, wasm)
			require.EqualValues(t, 1, stats.Compiled)
			require.Zero(t, stats.Loaded)
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := host.New(context.Background(), host.Config{CacheDir: file})
	require.ErrorContains(t, err, "make the directory for compiled modules: ")
}

// What is no fault of the directory is not taken for one, and leaves nothing there.
func TestRefusedModulesAreNotKept(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, host.Config{CacheDir: dir})
	requireModuleError(t, e.Prepare(context.Background(), "d", newModule([]byte{0x42, 0}).bytes()), "it cannot be compiled: ")
	require.Zero(t, e.Stats().Loaded+e.Stats().Rebuilt)
	files, err := filepath.Glob(filepath.Join(dir, "*", "wazero-*", "*"))
	require.NoError(t, err)
	require.Empty(t, files)
}

// A digest is a name that the caller has given, whatever is in it, and two names are
// two directories.
func TestNamesOfKeptCode(t *testing.T) {
	dir := t.TempDir()
	wasm := echoing("named").bytes()
	hexadecimal := digestOf(wasm)
	for _, name := range []string{"../../etc", "/", "", ".", "..", "a\x00b", strings.Repeat("long ", 1000), "ab", hexadecimal[:62], hexadecimal + "00"} {
		require.Equal(t, compiledAnew, figures(prepareFrom(t, dir, name, wasm)), "%.20q", name)
	}
	require.Equal(t, compiledAnew, figures(prepareFrom(t, dir, hexadecimal, wasm)))
	require.Equal(t, loaded, figures(prepareFrom(t, dir, strings.ToUpper(hexadecimal), wasm)), "one digest, written in another way")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 11)
	entries, err = os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, entries, 1, "and nothing beside it")
}

// A module by another's digest does not get the other's code.
func TestKeptCodeOfAnother(t *testing.T) {
	dir := t.TempDir()
	m := newModule()
	require.Equal(t, compiledAnew, figures(prepareFrom(t, dir, "one name", echoing("one").bytes())))
	e := newEngine(t, host.Config{CacheDir: dir})
	require.NoError(t, e.Prepare(context.Background(), "one name", m.run(m.output("the other"), done).bytes()))
	out := e.Execute(context.Background(), host.Attempt{Digest: "one name"}, &logged{})
	require.Equal(t, "the other", string(out.Output))
	require.EqualValues(t, 1, e.Stats().Compiled)
}

// Several processes may keep code in one directory. None ever fails for it.
func TestCodeKeptByMany(t *testing.T) {
	dir := t.TempDir()
	wasm := echoing("shared").bytes()
	digest := digestOf(wasm)
	var wg sync.WaitGroup
	wrong := make(chan error, 1000)
	for range 4 {
		wg.Go(func() {
			for range 15 {
				e, err := host.New(context.Background(), host.Config{CacheDir: dir})
				if err == nil {
					err = e.Prepare(context.Background(), digest, wasm)
				}
				if err != nil {
					wrong <- err
					return
				}
				if out := e.Execute(context.Background(), host.Attempt{Digest: digest, Input: []byte("x")}, &logged{}); string(out.Output) != "x" {
					wrong <- os.ErrInvalid
				}
				if err := e.Close(context.Background()); err != nil {
					wrong <- err
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, wrong)
}
