// Command early does before its first task what the tests of package host write
// into its binary, in place of a word of this length, and tells tasks what came of it.
package main

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

// how is written over in the binary.
var how = "how: nothing_at_all_"

var (
	random *rand.Rand
	text   string
	at     time.Time
	later  = make(chan string, 1)
)

func init() {
	now := time.Now()
	switch strings.Trim(how[5:], "_") {
	case "crypto":
		text = crand.Text()
	case "draw":
		text = fmt.Sprint(rand.Uint64())
	case "unixnano":
		random = rand.New(rand.NewPCG(uint64(now.UnixNano()), 1))
	case "nanosecond":
		random = rand.New(rand.NewPCG(uint64(now.Nanosecond()), 1))
	case "thousand":
		random = rand.New(rand.NewPCG(uint64(now.Unix()%1000), 1))
	case "round":
		at = now.Round(0)
	case "now":
		at = now
	case "print":
		fmt.Println("set up")
	case "exit":
		os.Exit(3)
	case "timer":
		time.Sleep(50 * time.Millisecond)
		time.AfterFunc(time.Millisecond, func() { later <- "the timer" })
	}
	guest.HandleRaw("tell", func(guest.Context, []byte) ([]byte, error) {
		out := text
		if random != nil {
			out += fmt.Sprint(random.Uint64())
		}
		if !at.IsZero() {
			out += fmt.Sprint(at.UnixNano())
		}
		return []byte(out), nil
	}, guest.Options{})
	guest.HandleRaw("wait", func(guest.Context, []byte) ([]byte, error) {
		return []byte(<-later), nil
	}, guest.Options{})
}

func main() {}
