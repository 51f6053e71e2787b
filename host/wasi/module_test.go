package wasi_test

import (
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/wasi"
)

// names are the functions of WASI preview1, in the specification's order.
var names = []string{
	"args_get", "args_sizes_get", "environ_get", "environ_sizes_get",
	"clock_res_get", "clock_time_get",
	"fd_advise", "fd_allocate", "fd_close", "fd_datasync",
	"fd_fdstat_get", "fd_fdstat_set_flags", "fd_fdstat_set_rights",
	"fd_filestat_get", "fd_filestat_set_size", "fd_filestat_set_times",
	"fd_pread", "fd_prestat_get", "fd_prestat_dir_name", "fd_pwrite",
	"fd_read", "fd_readdir", "fd_renumber", "fd_seek", "fd_sync", "fd_tell", "fd_write",
	"path_create_directory", "path_filestat_get", "path_filestat_set_times",
	"path_link", "path_open", "path_readlink", "path_remove_directory",
	"path_rename", "path_symlink", "path_unlink_file",
	"poll_oneoff", "proc_exit", "proc_raise", "sched_yield", "random_get",
	"sock_accept", "sock_recv", "sock_send", "sock_shutdown",
}

// callerModule is a WebAssembly module that imports every function of WASI and
// exports, for each:
//
//   - under its name, a function that passes its parameters on;
//   - with the prefix "direct_", the import itself;
//   - with the prefix "repeat_", a function that takes a count besides, and
//     passes its parameters on as often, forgetting results.
//
// It has a memory of that many pages, or none.
func callerModule(pages int) []byte {
	var types, imports, functions, exports, bodies [][]byte
	count := len(names)
	export := func(name string, index int) {
		exports = append(exports, slices.Concat(text(name), []byte{0}, uleb(index)))
	}
	for i, name := range names {
		params, results, _ := wasi.Signature(name)
		counted := append(slices.Clone(params), api.ValueTypeI32)
		types = append(types, funcType(params, results), funcType(counted, nil))
		imports = append(imports, slices.Concat(text(wasi.ModuleName), text(name), []byte{0}, uleb(2*i)))
		functions = append(functions, uleb(2*i), uleb(2*i+1))
		export("direct_"+name, i)
		export(name, count+2*i)
		export("repeat_"+name, count+2*i+1)

		var call []byte
		for p := range params {
			call = append(call, 0x20, byte(p)) // local.get
		}
		call = append(append(call, 0x10), uleb(i)...) // call
		bodies = append(bodies, body(call))

		n := byte(len(params))
		loop := append([]byte{0x03, 0x40}, call...) // loop
		for range results {
			loop = append(loop, 0x1a) // drop
		}
		// local.get n, i32.const 1, i32.sub, local.tee n, br_if 0, end
		loop = append(loop, 0x20, n, 0x41, 1, 0x6b, 0x22, n, 0x0d, 0, 0x0b)
		bodies = append(bodies, body(loop))
	}
	module := []byte("\x00asm\x01\x00\x00\x00")
	module = append(module, section(1, types)...)
	module = append(module, section(2, imports)...)
	module = append(module, section(3, functions)...)
	if pages > 0 {
		module = append(module, section(5, [][]byte{slices.Concat([]byte{0}, uleb(pages))})...)
		exports = append(exports, slices.Concat(text("memory"), []byte{2, 0}))
	}
	module = append(module, section(7, exports)...)
	return append(module, section(10, bodies)...)
}

func uleb(n int) []byte {
	var out []byte
	for n >= 0x80 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}

func text(s string) []byte { return append(uleb(len(s)), s...) }

func funcType(params, results []api.ValueType) []byte {
	return slices.Concat([]byte{0x60}, uleb(len(params)), params, uleb(len(results)), results)
}

// body is a function without locals of its own.
func body(code []byte) []byte {
	code = slices.Concat([]byte{0}, code, []byte{0x0b})
	return append(uleb(len(code)), code...)
}

func section(id byte, entries [][]byte) []byte {
	content := slices.Concat(uleb(len(entries)), slices.Concat(entries...))
	return slices.Concat([]byte{id}, uleb(len(content)), content)
}
