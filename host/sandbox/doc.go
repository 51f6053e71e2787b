// Package sandbox runs the engine of package host in processes of their own, so that
// what gets past its limits meets a process that may die.
//
// A [Pool] has the methods of an engine. It starts workers: the program itself, which
// calls [Work] when [IsWorker] says so. One worker compiles one module and ends; one
// runs attempts at one module, one at a time, and is kept for the next. A worker has
// no network, no environment, no file but the directory of its module, and, once the
// module is loaded, no system call that it does not need. What stands of that depends
// on the system: [Pool.Walls] tells.
//
// # Frames
//
// Parent and worker write frames to each other over a pair of pipes: a length of four
// bytes, a kind, and fields one after the other. The parent believes nothing: lengths
// are bounded, limits are held again, texts are cleaned. A worker that breaks the
// protocol is killed.
package sandbox
