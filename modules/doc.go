// Package modules keeps what task authors upload: it verifies a module, reads
// the definitions that it declares, stores it under its name with a new
// version number, and says which version is live.
//
// A stored version never changes. Its bytes are kept once, by their digest. A
// task is bound to the version that was live when it was enqueued.
package modules
