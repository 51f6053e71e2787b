//go:build race

package taskhost

// compileFactor is by how much longer modules take to compile in a program that looks
// for races.
const compileFactor = 10
