// Command native is no guest: it is started for each execution, in place of one, and
// writes what it reads.
package main

import (
	"io"
	"os"
)

func main() {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		panic(err) // who started it sees the exit code
	}
}
