// Package taskhost embeds a task runner in a Go program.
//
// A [Host] runs named tasks: WebAssembly modules, each attempt in a sandbox
// whose state is fresh, or Go functions of the program. Tasks are durable: once
// an enqueue has returned an id, the task survives the death of the process and
// is run, retried and recorded. They are kept in one SQLite file, or in a Postgres
// database that any number of hosts share.
//
// Most programs call [New], [Register], [Host.Start], [Host.Enqueue] and
// [Host.Stop]; a server calls [Host.Run] in place of the last two.
//
// An HTTP handler that is wrapped in [Host.Middleware] can leave work to tasks that
// are enqueued when it has returned: see [Background].
//
// # Where to go next
//
//   - What a task is, its states, options and errors: package task.
//   - Writing a task in Go for the sandbox: package guest, in guest-sdk. In
//     another language: docs/abi.md.
//   - Serving tasks over HTTP: package httpapi, and the command taskhost.
//   - A program that only enqueues: packages pgstore and sqlitestore, which link
//     no WebAssembly runtime.
//   - How an enqueue becomes a result: ARCHITECTURE.md.
//
// # Ownership
//
// A Host owns its database handles, its goroutines and its WebAssembly runtime,
// and frees them in [Host.Stop]. Its methods are safe for concurrent use.
//
// # Trust
//
// Guests run in the program's own process. They stop at their deadline whatever
// they do, but one that is built for it can take long to compile. Run modules that
// you trust. RATIONALE.md says which wall is to come.
package taskhost
