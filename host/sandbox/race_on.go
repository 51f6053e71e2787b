//go:build race

package sandbox

// memoryFactor is by how much more memory a worker takes that looks for races.
const memoryFactor = 8
