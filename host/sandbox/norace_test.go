//go:build linux && !race

package sandbox_test

const overhead = 0
