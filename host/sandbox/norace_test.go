//go:build !race

package sandbox_test

const overhead = 0
