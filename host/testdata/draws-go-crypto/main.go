// Draws from crypto/rand when it is initialised (token), and in an attempt (read).
package main

import (
	"crypto/rand"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

var token = rand.Text()

func init() {
	draws("token", func() string { return token })
	draws("read", rand.Text)
}

func draws(name string, draw func() string) {
	guest.HandleRaw(name, func(guest.Context, []byte) ([]byte, error) {
		return []byte(`"` + draw() + `"`), nil
	}, guest.Options{})
}

func main() {}
