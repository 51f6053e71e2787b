//go:build !race

package taskhost

const compileFactor = 1
