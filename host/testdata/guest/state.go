package main

import (
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"hash/maphash"
	mrand "math/rand"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"time"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

// What a program may keep in package variables. Executions have of each their own,
// share it, or have it as it was at the start.
var (
	shared    = rand.Uint64()
	sharedKey = maphash.MakeSeed()
	sharedMap = numbered(32)

	constant    = rand.New(rand.NewChaCha8([32]byte{1}))
	constantPCG = rand.New(rand.NewPCG(1, 2))
	constantV1  = mrand.New(mrand.NewSource(42))
	derived     = rand.New(rand.NewChaCha8(key()))

	// ticked is counted up by a goroutine that lives from the start on.
	ticks  = make(chan int)
	ticked int
	table  = strings.Repeat("computed at the start ", 1000)
)

func key() (key [32]byte) {
	for i := range key {
		key[i] = byte(rand.Uint32())
	}
	return key
}

func numbered(n int) map[int]bool {
	m := make(map[int]bool)
	for i := range n {
		m[i] = true
	}
	return m
}

func init() {
	go func() {
		for n := range ticks {
			ticked += n
		}
	}()
	raw("draws", func(guest.Context, []byte) ([]byte, error) { return json.Marshal(draws()) })
	raw("times", func(guest.Context, []byte) ([]byte, error) {
		now := time.Now()
		return json.Marshal(map[string]int64{"start": atStart.UnixNano(), "now": now.UnixNano(), "since": int64(now.Sub(atStart))})
	})
	raw("dirty", dirty)
	raw("environment", func(ctx guest.Context, in []byte) ([]byte, error) {
		read, _ := os.Stdin.Read(make([]byte, 10))
		return json.Marshal([]any{os.Args, os.Environ(), read, ctx.TaskID(), ctx.Tags(), string(in)})
	})
}

// draws is a value of everything that is random, and of some that is not.
func draws() map[string]string {
	out := map[string]any{
		"v2": rand.Uint64(), "perm": rand.Perm(30), "v1": mrand.Int63(), "crypto": crand.Text(),
		"hash":  maphash.String(maphash.MakeSeed(), "a constant"),
		"order": keysOf(numbered(64)), "derived": derived.Uint64(), "select": selects(), "own": rand.New(rand.NewPCG(rand.Uint64(), 1)).Uint64(),

		"shared": shared, "shared key": maphash.String(sharedKey, "a constant"),
		"constant": constant.Uint64(), "constant pcg": constantPCG.Uint64(), "constant v1": constantV1.Int63(),

		"shared order": keysOf(sharedMap),
	}
	text := make(map[string]string)
	for name, value := range out {
		text[name] = fmt.Sprint(value)
	}
	return text
}

func keysOf(m map[int]bool) (keys []int) {
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// selects is which of two channels was chosen, 128 times.
func selects() string {
	a, b := make(chan int, 1), make(chan int, 1)
	var out strings.Builder
	for range 128 {
		a <- 0
		b <- 1
		select {
		case n := <-a:
			fmt.Fprint(&out, n)
			<-b
		case n := <-b:
			fmt.Fprint(&out, n)
			<-a
		}
	}
	return out.String()
}

var kept [][]byte

// dirty does with the state of the program what it can, to as much memory as its
// input says in kilobytes, and tells what it found.
func dirty(_ guest.Context, in []byte) ([]byte, error) {
	sum := 0
	for i := range table {
		sum += int(table[i])
	}
	found := fmt.Sprint(counter, ticked, len(kept), len(sharedMap), sum, runtime.NumGoroutine(), os.Getenv("LEFT"))
	counter++
	ticks <- 7
	ticks <- 1
	sharedMap[1000+counter] = true
	delete(sharedMap, 3)
	for range number(in) {
		kept = append(kept, []byte(strings.Repeat("x", 1024)))
	}
	if err := os.Setenv("LEFT", "behind"); err != nil {
		return nil, err
	}
	go func() { time.Sleep(time.Hour) }()
	if len(in)%2 == 0 {
		runtime.GC()
	}
	constant.Uint64()
	return fmt.Appendf(nil, "%s: %d %d %d", found, counter, len(kept), ticked), nil
}
