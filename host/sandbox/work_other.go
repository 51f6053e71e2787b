//go:build !linux

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
)

const wallMemory = "memory-limit"

// moduleVar names the directory of the worker's module, which is told in its
// environment.
const moduleVar = "TASKHOST_WORKER_MODULE"

var directory = os.Getenv(moduleVar)

func enterModuleDir() (string, error) { return directory, nil }

func modulePath() string { return filepath.Join(directory, moduleName) }

// confine and lockDown have nothing here: a worker is a process of its own.
func confine(string) []string { return nil }
func lockDown() []string      { return nil }

type memoryLimit struct{ own int64 }

var errNoLimit = errors.New("this system has no limit of that kind")

func (*memoryLimit) allow(int64) error { return errNoLimit }

// stopSignal is for systems that have one: here the parent ends the process.
type stopSignal struct{}

func watchStops() *stopSignal        { return nil }
func (*stopSignal) to(func()) func() { return func() {} }
