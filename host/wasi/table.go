package wasi

import (
	"context"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// handler is the work of one function. The stack holds its parameters.
type handler func(ctx context.Context, mod api.Module, stack []uint64) errno

// function is one entry of what [Instantiate] registers.
type function struct {
	name    string
	names   []string // of the parameters
	params  []api.ValueType
	results []api.ValueType
	call    api.GoModuleFunc
}

// functions are all 46 of WASI preview1. Parameters are i32 unless marked.
//
// What a task does not get is answered without a look at its arguments, but
// for a descriptor that comes first. One other than the three streams is not
// open (EBADF), and neither is a directory that a path could be relative to.
// Streams answer what POSIX has terminals answer, such as ESPIPE to a seek.
// The rest is not there (ENOSYS).
//
// Streams may be closed and set to any mode, without effect: they have no
// state, and never block. Go's runtime asks for non-blocking ones.
var functions = []function{
	define("args_get", "argv argv_buf", argsGet),
	define("args_sizes_get", "argc argv_buf_size", argsSizesGet),
	define("environ_get", "environ environ_buf", environGet),
	define("environ_sizes_get", "environc environ_buf_size", environSizesGet),
	define("clock_res_get", "id resolution", clockResGet),
	define("clock_time_get", "id precision:i64 time", clockTimeGet),

	define("fd_advise", "fd offset:i64 len:i64 advice", stream(nosys)),
	define("fd_allocate", "fd offset:i64 len:i64", stream(nosys)),
	define("fd_close", "fd", stream(success)),
	define("fd_datasync", "fd", stream(inval)),
	define("fd_fdstat_get", "fd stat", fdFdstatGet),
	define("fd_fdstat_set_flags", "fd flags", stream(success)),
	define("fd_fdstat_set_rights", "fd rights_base:i64 rights_inheriting:i64", stream(nosys)),
	define("fd_filestat_get", "fd stat", fdFilestatGet),
	define("fd_filestat_set_size", "fd size:i64", stream(inval)),
	define("fd_filestat_set_times", "fd atim:i64 mtim:i64 fst_flags", stream(nosys)),
	define("fd_pread", "fd iovs iovs_len offset:i64 nread", stream(spipe)),
	define("fd_prestat_get", "fd prestat", answer(badf)),
	define("fd_prestat_dir_name", "fd path path_len", answer(badf)),
	define("fd_pwrite", "fd iovs iovs_len offset:i64 nwritten", stream(spipe)),
	define("fd_read", "fd iovs iovs_len nread", fdRead),
	define("fd_readdir", "fd buf buf_len cookie:i64 bufused", answer(badf)),
	define("fd_renumber", "fd to", stream(nosys)),
	define("fd_seek", "fd offset:i64 whence newoffset", stream(spipe)),
	define("fd_sync", "fd", stream(inval)),
	define("fd_tell", "fd offset", stream(spipe)),
	define("fd_write", "fd iovs iovs_len nwritten", fdWrite),

	define("path_create_directory", "fd path path_len", answer(badf)),
	define("path_filestat_get", "fd flags path path_len stat", answer(badf)),
	define("path_filestat_set_times", "fd flags path path_len atim:i64 mtim:i64 fst_flags", answer(badf)),
	define("path_link", "old_fd old_flags old_path old_path_len new_fd new_path new_path_len", answer(badf)),
	define("path_open", "fd dirflags path path_len oflags rights_base:i64 rights_inheriting:i64 fdflags opened_fd", answer(badf)),
	define("path_readlink", "fd path path_len buf buf_len bufused", answer(badf)),
	define("path_remove_directory", "fd path path_len", answer(badf)),
	define("path_rename", "fd old_path old_path_len new_fd new_path new_path_len", answer(badf)),
	define("path_symlink", "old_path old_path_len fd new_path new_path_len", answer(badf)),
	define("path_unlink_file", "fd path path_len", answer(badf)),

	define("poll_oneoff", "in out nsubscriptions nevents", pollOneoff),
	exitFunction("proc_exit", "rval"),
	define("proc_raise", "sig", answer(nosys)),
	define("random_get", "buf buf_len", randomGet),
	define("sched_yield", "", answer(success)),

	define("sock_accept", "fd flags opened_fd", answer(nosys)),
	define("sock_recv", "fd ri_data ri_data_len ri_flags ro_datalen ro_flags", answer(nosys)),
	define("sock_send", "fd si_data si_data_len si_flags so_datalen", answer(nosys)),
	define("sock_shutdown", "fd how", answer(nosys)),
}

// define makes an entry of a function that answers an errno. Its parameters
// are given as names, each with its type after a colon unless that is i32.
func define(name, params string, h handler) function {
	f := function{name: name, results: []api.ValueType{api.ValueTypeI32}}
	for _, p := range strings.Fields(params) {
		n, typ, _ := strings.Cut(p, ":")
		f.names = append(f.names, n)
		if typ == "i64" {
			f.params = append(f.params, api.ValueTypeI64)
		} else {
			f.params = append(f.params, api.ValueTypeI32)
		}
	}
	f.call = func(ctx context.Context, mod api.Module, stack []uint64) {
		endIfDone(ctx) // calls take longer than what they are charged
		stack[0] = uint64(h(ctx, mod, stack))
	}
	return f
}

// exitFunction makes the one entry that answers nothing, since it does not
// return.
func exitFunction(name, params string) function {
	f := define(name, params, nil)
	f.results = nil
	f.call = procExit
	return f
}

// answer is a function that always answers the same.
func answer(e errno) handler {
	return func(context.Context, api.Module, []uint64) errno { return e }
}

// stream is a function of a descriptor, its first parameter, that answers e
// for each of the three streams.
func stream(e errno) handler {
	return func(_ context.Context, _ api.Module, stack []uint64) errno {
		if !isStream(uint32(stack[0])) {
			return badf
		}
		return e
	}
}
