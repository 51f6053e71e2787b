// Draws from math/rand/v2 when it is initialised (token), and in an attempt: a
// number, the hash of a constant under a new seed, and the order of a map.
package main

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

var token = rand.Uint64()

func init() {
	draws("token", func() any { return token })
	draws("rand", func() any { return rand.Uint64() })
	draws("hash", func() any { return maphash.String(maphash.MakeSeed(), "a constant") })
	draws("order", func() any {
		set, list := make(map[int]bool), []int(nil)
		for i := range 32 {
			set[i] = true
		}
		for i := range set {
			list = append(list, i)
		}
		return list
	})
}

func draws(name string, draw func() any) {
	guest.HandleRaw(name, func(guest.Context, []byte) ([]byte, error) {
		return fmt.Appendf(nil, "%q", fmt.Sprint(draw())), nil
	}, guest.Options{})
}

func main() {}
