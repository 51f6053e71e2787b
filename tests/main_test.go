package tests_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// scratch is where the binaries, guests and databases of this run are. It is
// set before the first test and not after.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "taskhost-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // there is no test yet that could fail
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(scratch); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		os.Exit(code) //nolint:forbidigo // this is how goleak hands the verdict over
	}))
}
