//go:build !wasip1

package guest

import "github.com/taskhost/taskhost/guest-sdk/internal/fakehost"

// host is the host of a native build: a fake in this process, one for each
// execution. A test compares its methods with those of the real one.
type host = *fakehost.Host

// The fake runs the module through the functions that WebAssembly exports.
var _ = fakehost.Serve(describe, run)
