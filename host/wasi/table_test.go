package wasi_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/taskhost/taskhost/host/wasi"
)

// TestTable compares what is registered with wazero's own WASI, of which no
// more than names and types is used.
func TestTable(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	theirs, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	require.NoError(t, err)
	require.Equal(t, wasi.ModuleName, theirs.Name())
	want := theirs.ExportedFunctions()
	require.Len(t, want, 46)

	mod, err := wasi.Instantiate(ctx, r)
	require.NoError(t, err)
	require.Equal(t, wasi.ModuleName, mod.Name())
	got := mod.ExportedFunctionDefinitions()
	require.Len(t, got, len(want))
	for name, w := range want {
		require.Contains(t, got, name)
		require.Equal(t, w.ParamTypes(), got[name].ParamTypes(), name)
		require.Equal(t, w.ResultTypes(), got[name].ResultTypes(), name)
		require.Len(t, got[name].ParamNames(), len(w.ParamTypes()), name)
		require.Contains(t, names, name)
	}
	require.Len(t, names, len(want))
}

func TestSignature(t *testing.T) {
	mod, err := wasi.Instantiate(context.Background(), newBareRuntime(t))
	require.NoError(t, err)
	for name, def := range mod.ExportedFunctionDefinitions() {
		params, results, ok := wasi.Signature(name)
		require.True(t, ok, name)
		require.True(t, slices.Equal(def.ParamTypes(), params), name)
		require.True(t, slices.Equal(def.ResultTypes(), results), name)
	}
	for _, name := range []string{"", "fd_dup", "thread_spawn", "FD_WRITE"} {
		_, _, ok := wasi.Signature(name)
		require.False(t, ok, name)
	}

	// What is given away is a copy.
	params, _, _ := wasi.Signature("fd_write")
	clear(params)
	again, _, _ := wasi.Signature("fd_write")
	require.NotEqual(t, params, again)
}

func TestInstantiateTwice(t *testing.T) {
	r := newRuntime(t)
	_, err := wasi.Instantiate(context.Background(), r)
	require.ErrorContains(t, err, "wasi: register wasi_snapshot_preview1: ")
}

// TestRefused holds what a task does not get to its answers.
func TestRefused(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	stream := map[string]errno{
		"fd_advise": nosys, "fd_allocate": nosys, "fd_fdstat_set_rights": nosys,
		"fd_filestat_set_times": nosys, "fd_renumber": nosys,
		"fd_datasync": inval, "fd_sync": inval, "fd_filestat_set_size": inval,
		"fd_pread": spipe, "fd_pwrite": spipe, "fd_seek": spipe, "fd_tell": spipe,
		"fd_close": success, "fd_fdstat_set_flags": success,
		"fd_fdstat_get": success, "fd_filestat_get": success,
	}
	always := map[string]errno{
		"fd_prestat_get": badf, "fd_prestat_dir_name": badf, "fd_readdir": badf,
		"path_create_directory": badf, "path_filestat_get": badf, "path_filestat_set_times": badf,
		"path_link": badf, "path_open": badf, "path_readlink": badf, "path_remove_directory": badf,
		"path_rename": badf, "path_symlink": badf, "path_unlink_file": badf,
		"proc_raise": nosys, "sock_accept": nosys, "sock_recv": nosys, "sock_send": nosys,
		"sock_shutdown": nosys, "sched_yield": success,
	}
	for _, name := range names {
		params, _, _ := wasi.Signature(name)
		for fd := range uint64(6) {
			args := make([]uint64, len(params))
			if len(args) > 0 {
				args[0] = fd
			}
			if want, ok := always[name]; ok {
				require.Equal(t, want, c.call(name, args...), "%s of %d", name, fd)
			}
			if want, ok := stream[name]; ok {
				if fd > 2 {
					want = badf
				}
				require.Equal(t, want, c.call(name, args...), "%s of %d", name, fd)
			}
		}
	}
}

// TestStreamStat holds the layout of what a guest learns of its streams.
func TestStreamStat(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	for fd := range uint32(3) {
		require.Equal(t, success, c.call("fd_fdstat_get", uint64(fd), 64))
		require.Equal(t, []byte{2, 0, 0, 0, 0, 0, 0, 0}, c.bytes(64, 8), "a character device without flags")
		rights := c.uint64(72)
		require.Equal(t, fd == 0, rights&(1<<1) != 0, "may be read")
		require.Equal(t, fd != 0, rights&(1<<6) != 0, "may be written")
		require.Zero(t, rights&(1<<2|1<<5), "can't seek or tell: a C library takes it for a terminal")
		require.Zero(t, c.uint64(80), "rights of what is opened")

		require.Equal(t, success, c.call("fd_filestat_get", uint64(fd), 128))
		require.Equal(t, byte(2), c.bytes(144, 1)[0])
		require.Zero(t, c.uint64(160), "size")
	}
}
