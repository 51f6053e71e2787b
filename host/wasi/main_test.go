package wasi_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host/wasi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newRuntime gives a runtime that has nothing but the package's own functions.
func newRuntime(t testing.TB) wazero.Runtime {
	t.Helper()
	r := newBareRuntime(t)
	_, err := wasi.Instantiate(context.Background(), r)
	require.NoError(t, err)
	return r
}

func newBareRuntime(t testing.TB) wazero.Runtime {
	t.Helper()
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(2048).WithDebugInfoEnabled(false)
	r := wazero.NewRuntimeWithConfig(context.Background(), config)
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	return r
}

// buildGuest builds testdata/guest.
func buildGuest(t testing.TB) []byte {
	t.Helper()
	// Opening the source makes go test notice when it changes.
	_, err := os.ReadFile("testdata/guest/main.go")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	binary, err := os.ReadFile(file)
	require.NoError(t, err)
	return binary
}

// goGuest runs the Go guest and gives the error of its _start.
type goGuest func(context.Context, *wasi.Execution) error

func newGoGuest(t testing.TB) goGuest {
	t.Helper()
	binary, r := buildGuest(t), newRuntime(t)
	ctx := experimental.WithCompilationWorkers(context.Background(), runtime.NumCPU())
	compiled, err := r.CompileModule(ctx, binary)
	require.NoError(t, err)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	return func(ctx context.Context, e *wasi.Execution) error {
		ctx = wasi.With(ctx, e)
		mod, err := r.InstantiateModule(ctx, compiled, config)
		require.NoError(t, err)
		defer mod.Close(context.Background())
		_, err = mod.ExportedFunction("_start").Call(ctx)
		return err
	}
}

// output is an execution that keeps what it writes.
type output struct {
	wasi.Execution
	stdout, stderr bytes.Buffer
}

func newOutput(args ...string) *output {
	o := &output{}
	o.Args = append([]string{"guest"}, args...)
	o.Stdout, o.Stderr = &o.stdout, &o.stderr
	return o
}

// caller is an instance of a module that only passes calls on, one exported
// function for each function of WASI.
type caller struct {
	t testing.TB
	api.Module
	ctx context.Context
}

func newCaller(t testing.TB, r wazero.Runtime, pages int) *caller {
	t.Helper()
	config := wazero.NewModuleConfig().WithName("")
	mod, err := r.InstantiateWithConfig(context.Background(), callerModule(pages), config)
	require.NoError(t, err)
	return &caller{t, mod, context.Background()}
}

// with gives the same instance, calling for an execution.
func (c *caller) with(ctx context.Context, e *wasi.Execution) *caller {
	return &caller{c.t, c.Module, wasi.With(ctx, e)}
}

// call calls a function of WASI and gives what it answers.
func (c *caller) call(name string, params ...uint64) errno {
	c.t.Helper()
	results, err := c.ExportedFunction(name).Call(c.ctx, params...)
	require.NoError(c.t, err, name)
	require.Len(c.t, results, 1)
	return errno(results[0])
}

// put writes 32-bit numbers one after another.
func (c *caller) put(ptr uint32, values ...uint32) {
	c.t.Helper()
	for i, v := range values {
		require.True(c.t, c.Memory().WriteUint32Le(ptr+uint32(i)*4, v))
	}
}

func (c *caller) uint32(ptr uint32) uint32 {
	c.t.Helper()
	v, ok := c.Memory().ReadUint32Le(ptr)
	require.True(c.t, ok)
	return v
}

func (c *caller) uint64(ptr uint32) uint64 {
	c.t.Helper()
	v, ok := c.Memory().ReadUint64Le(ptr)
	require.True(c.t, ok)
	return v
}

func (c *caller) bytes(ptr, n uint32) []byte {
	c.t.Helper()
	b, ok := c.Memory().Read(ptr, n)
	require.True(c.t, ok)
	return bytes.Clone(b)
}

// errno repeats the numbers of the specification.
type errno uint32

const (
	success  errno = 0
	badf     errno = 8
	fault    errno = 21
	inval    errno = 28
	ioError  errno = 29
	nosys    errno = 52
	overflow errno = 61
	spipe    errno = 70
)
