// Package host runs guest modules. An [Engine] prepares a module once, by its
// digest, and executes attempts in it: each from the same clean state, under
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
// and exports against the contract, has it count its work (package fuel), compiles
// it, sets it up and takes an image of that (package snapshot). [Engine.Describe] asks
// it for its manifest. Both take modules from strangers and answer with a
// [*ModuleError] that says what its author can do.
//
// [Engine.Execute] takes an instance that is idle, or makes one from the image, gives
// it new random numbers, calls it, and takes it back to the image. Read module.go,
// capture.go, instance.go and execute.go in this order.
//
// A module with _start and nothing of the contract is a WASI command, as
// [Engine.IsCommand] says: it has no manifest, and all of it is one program that
// an attempt runs, from standard input to standard output.
//
// # Stopping
//
// A guest is stopped at its deadline, when its context ends, and at each of its
// limits, whatever it does: it looks itself, some thousand times a second, whether it
// has to.
package host
