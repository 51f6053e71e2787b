// Package task is the vocabulary that the other packages share: what a task
// is, the states it passes through, what a definition says of it, and the
// errors that report on it. It holds no behaviour beyond checking values and
// imports only the standard library. Read it first.
//
//   - A [Definition] says what can be run: a name, options, a schema for its
//     arguments. A WebAssembly module declares its definitions; a Go program
//     registers its own.
//   - A [Request] asks for one run of a definition, and becomes a [Task] with
//     an [ID].
//   - An [Execution] is one attempt at a task, handed to a [Handler], which
//     answers with an [Outcome].
//
// Attempts are numbered from 1 for people. The first attempt is 1.
package task
