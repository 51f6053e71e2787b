// Command precompile compiles modules into a directory for compiled modules: its
// arguments are the directory, and for each module the digest that it will be
// prepared under and its file. The tests of package host run it because under the
// race detector the compiler takes ten times as long.
package main

import (
	"context"
	"log"
	"os"

	"github.com/taskhost/taskhost/host"
)

func main() {
	ctx := context.Background()
	engine, err := host.New(ctx, host.Config{CacheDir: os.Args[1]})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close(ctx)
	for args := os.Args[2:]; len(args) > 0; args = args[2:] {
		wasm, err := os.ReadFile(args[1])
		if err != nil {
			log.Fatal(err)
		}
		if err := engine.Prepare(ctx, args[0], wasm); err != nil {
			log.Fatal(err)
		}
	}
}
