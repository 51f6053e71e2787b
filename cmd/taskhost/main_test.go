package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost"
)

func TestMain(m *testing.M) {
	taskhost.RunWorker()
	testscript.Main(leakChecked{m}, map[string]func(){"taskhost": main})
}

// leakChecked looks for goroutines that the tests left.
type leakChecked struct{ testscript.TestingM }

func (m leakChecked) Run() int {
	code := m.TestingM.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
