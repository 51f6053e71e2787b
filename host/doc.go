// Package host runs guest modules. An [Engine] prepares a module once, by its
// digest, and executes attempts in it: each in an instance of its own, under
// [Limits], reaching nothing but the functions named in package abi and the few
// of WASI that package wasi allows.
//
// It knows nothing of queues, names or databases. What drives attempts calls
// [Engine.Execute] with plain bytes and gets plain bytes back, so that the
// engine can as well stand behind a pipe, in another process.
//
// # What a module goes through
//
// [Engine.Prepare] reads it within bounds (package wasmfile), holds its imports
// and exports against the contract, has it count its work (package fuel), and
// compiles it. [Engine.Describe] asks it for its manifest. Both take modules from
// strangers and answer with a [*ModuleError] that says what its author can do.
//
// A module with _start and nothing of the contract is a WASI command, as
// [Engine.IsCommand] says: it has no manifest, and all of it is one program that
// an attempt runs, from standard input to standard output.
//
// # Stopping
//
// A guest is stopped at its deadline, when its context ends, and at each of its
// limits, whatever it does: it looks itself, some thousand times a second, whether it
// has to. What is left is work of the host on its behalf that nothing interrupts: that
// a memory which grows towards a gigabyte is cleared takes longest.
package host
