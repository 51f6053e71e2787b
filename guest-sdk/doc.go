// Package guest is the SDK for writing taskhost tasks in Go. A program
// registers functions, is built to WebAssembly, and is uploaded; the host runs
// one of the functions for each task, in a sandbox with a clean state.
//
//	package main
//
//	import guest "github.com/taskhost/taskhost/guest-sdk"
//
//	func init() { guest.Handle("greet.hello", hello, guest.Options{Retries: 2}) }
//
//	func hello(ctx guest.Context, name string) (string, error) {
//		ctx.Info("greeting", "name", name)
//		return "hello, " + name, nil
//	}
//
//	func main() {}
//
// Build it with nothing but Go:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o greet.wasm .
//
// Most tasks use [Handle], which reads and writes JSON and derives a schema of
// the arguments from their Go type, so that the host refuses what does not fit
// before it stores anything. [HandleRaw] takes bytes as they are, and is for
// other formats and for the least overhead. An error that a function returns
// means "try again, within the retries"; [Permanent] marks one that no retry
// will mend. To test tasks with plain go test, use package guesttest. To log
// with log/slog, use package guestslog.
//
// # State
//
// Register from init: main is not called in a module of this kind. What
// package variables hold after initialisation is kept by the host and is what
// every execution starts from; what an execution writes there is gone before
// the next. So tables computed at start are free, and a random number of math/rand
// that was taken at start is the same for every task: [OnExecution] renews what has
// to be new. Random numbers are, and so is a package variable that is time.Now().
// A module that asks for more than that at start (random bytes of crypto/rand, a
// number made of the time) is set up anew in each execution, which takes a
// millisecond or two longer; the host says so when it is pushed. Nothing about an
// execution is in os.Args, the environment or files: ask the [Context].
//
// # Failures
//
// A panic in a handler is caught and reported as a failure that may be tried
// again, with the goroutine's stack. What the Go runtime cannot recover from
// (memory exhausted, a deadlock, endless recursion) and os.Exit end the
// execution; the host reports it with what the guest wrote to standard error.
// What goes to standard output and standard error becomes log lines.
package guest
