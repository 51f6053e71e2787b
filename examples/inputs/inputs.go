// Package inputs makes sample inputs for the example tasks: photographs and
// sales records that nobody took or sold. Everything is computed from a seed,
// so the examples need no files and show the same each time.
package inputs

import "math/rand/v2"

// generator returns the source of everything that a seed decides. The purpose
// keeps two inputs of one seed apart.
func generator(seed int64, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), purpose))
}
