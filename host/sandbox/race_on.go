//go:build race

package sandbox

// raceFactor is by how much more memory a worker takes, and time to compile, that looks
// for races.
const raceFactor = 8
