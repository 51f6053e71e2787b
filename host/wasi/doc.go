// Package wasi is the part of WASI preview1 that a sandboxed task gets: its
// arguments and environment, three streams, two clocks, sleep, randomness and
// exit. There are no files, directories or sockets, and nothing here could
// open one.
//
// [Instantiate] registers the functions in a runtime, once. They keep no state:
// what belongs to one execution is in an [Execution], which a call finds
// through its context. So an instance can be used for one execution after
// another, each with streams, clocks and limits of its own:
//
//	ctx = wasi.With(ctx, &wasi.Execution{Stderr: log})
//	_, err := instance.ExportedFunction("run").Call(ctx)
//
// Without an Execution a guest sees no arguments, no environment and an empty
// standard input; what it writes is discarded, clocks and randomness are real.
//
// # Limits
//
// Each call does a bounded amount of work, whatever it is passed: a guest that
// wants more calls again, which its fuel pays for. A read or write moves at
// most 64 KiB and looks at 1,024 buffers, the rest is not consumed. A poll
// takes at most 1,024 subscriptions. An execution draws at most 64 MiB of
// randomness. Addresses are checked against the guest's memory: one that is
// outside is EFAULT, as is any address in a guest that has no memory.
//
// # Stopping
//
// A sleep ends when the call's context does, and a long draw of randomness
// looks at it in between. Both then end the guest as [proc_exit] would, with
// the error that wazero itself gives for a context that is done. They do not
// return EINTR: language runtimes take it badly. Go's tries again at once, for
// ever, and Rust's panics, so that a task that was told to stop would spin, or
// leave a misleading trace in its log.
//
// # Exit
//
// wazero reports a guest's exit as a [sys.ExitError], and reserves two exit
// codes for contexts that are done. A guest may exit with those codes too.
// Here they reach wazero as 1, so an error that is context.Canceled or
// context.DeadlineExceeded never comes from a guest. [Execution.Exit] has the
// code that the guest gave.
//
// [proc_exit]: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_exit
// [sys.ExitError]: https://pkg.go.dev/github.com/tetratelabs/wazero/sys#ExitError
package wasi
