package tests_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
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
	runMoreAtOnce()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(scratch); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		os.Exit(code) //nolint:forbidigo // this is how goleak hands the verdict over
	}))
}

// atOnce is how many tests run at once, on however few processors: most of them
// wait for a process most of the time.
const atOnce = 4

func runMoreAtOnce() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given || runtime.GOMAXPROCS(0) >= atOnce {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
		panic(err) // there is this flag, and it takes a number
	}
}
