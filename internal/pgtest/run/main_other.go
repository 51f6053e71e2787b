//go:build !unix

package main

import (
	"fmt"
	"os"

	"github.com/taskhost/taskhost/internal/pgtest"
)

func main() {
	fmt.Fprintln(os.Stderr, "pgtest: not on this system: start a server, put its address into "+pgtest.Variable+" and run the command itself")
	os.Exit(125) //nolint:forbidigo // this is a program's main
}
