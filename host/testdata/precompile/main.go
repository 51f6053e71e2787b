// Command precompile compiles a module into a directory for compiled modules.
// The tests of package host run it because under the race detector the
// compiler takes ten times as long.
package main

import (
	"context"
	"log"
	"os"

	"github.com/taskhost/taskhost/host"
)

func main() {
	dir, file := os.Args[1], os.Args[2]
	ctx := context.Background()
	wasm, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	engine, err := host.New(ctx, host.Config{CacheDir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close(ctx)
	if err := engine.Prepare(ctx, "guest", wasm); err != nil {
		log.Fatal(err)
	}
}
