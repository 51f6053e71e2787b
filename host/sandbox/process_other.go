//go:build !linux

package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
)

func defaultCommand() ([]string, error) {
	path, err := os.Executable()
	return []string{path}, err
}

func moduleEnvironment(dir *os.File) []string { return []string{moduleVar + "=" + dir.Name()} }

// isolation has nothing here: a worker is a process of its own.
type isolation struct{ nobody bool }

func isolations() []isolation     { return []isolation{{}} }
func (isolation) walls() []string { return nil }

func (p *Pool) confine(cmd *exec.Cmd, lifeline, _ *os.File) {
	if runtime.GOOS != "windows" {
		cmd.ExtraFiles = []*os.File{lifeline}
	}
}

var errNoSignal = errors.New("this system has no signal for it")

func (w *process) tell() error { return errNoSignal }
