//go:build linux && race

package sandbox_test

// overhead is what the race detector takes in each worker, in bytes.
const overhead = 4 << 30
