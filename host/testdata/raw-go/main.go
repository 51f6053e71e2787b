// A guest that does nothing but take its input and give it back, for measuring
// what the host adds to that.
package main

import guest "github.com/taskhost/taskhost/guest-sdk"

func init() {
	guest.HandleRaw("raw", func(_ guest.Context, in []byte) ([]byte, error) { return in, nil }, guest.Options{})
	// The host can hold it where it logs, to have many at once.
	guest.HandleRaw("held", func(ctx guest.Context, in []byte) ([]byte, error) {
		ctx.Info("held")
		return in, nil
	}, guest.Options{})
}

func main() {}
