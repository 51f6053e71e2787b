package taskhost

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
)

// Isolation says where guests run.
type Isolation string

const (
	// InProcess runs guests in this process, behind one wall: their limits, and a
	// clean state for every execution. A bug in the compiler, or a module that
	// takes it hours, is a bug in this program.
	InProcess Isolation = "inprocess"
	// Worker runs them in processes of their own, which may die: the same program
	// started again, cut off from the network, from files and from the rest of the
	// machine as far as the system can.
	Worker Isolation = "worker"
)

// canWork is set once this program is known to be able to be a worker.
var canWork atomic.Bool

// RunWorker turns this process into a sandbox worker where it was started as one, and
// then does not return. Otherwise it does nothing. A program that has
// [Config.Isolation] at [Worker] calls it first thing in main: what it does before,
// it does in every worker.
func RunWorker() {
	if sandbox.IsWorker() {
		os.Exit(sandbox.Work()) //nolint:forbidigo // it is a worker's main
	}
	canWork.Store(true)
}

func (c *Config) validateIsolation() error {
	switch {
	case c.Isolation == InProcess && c.RequireIsolation:
		return fmt.Errorf("taskhost: Config.RequireIsolation is about workers: set Config.Isolation to %q as well", Worker)
	case c.Isolation == InProcess:
		return nil
	case c.Isolation != Worker:
		return fmt.Errorf("taskhost: Config.Isolation must be %q or %q, is %.40q", InProcess, Worker, c.Isolation)
	case len(c.WorkerCommand) == 0 && !canWork.Load():
		return fmt.Errorf("taskhost: Config.Isolation is %q, and this program would not know that it was started as a worker: call taskhost.RunWorker first thing in main, or set Config.WorkerCommand to a program that does", Worker)
	}
	return nil
}

// Wall is one of the things that a guest is cut off by, as [Host.Walls] tells.
type Wall = sandbox.Wall

// Walls tells which walls stand around guests on this system.
func (h *Host) Walls() []Wall {
	if pool, ok := h.engine.(*sandbox.Pool); ok {
		return pool.Walls()
	}
	return nil
}

// missingWalls names those that do not stand.
func (h *Host) missingWalls() []string {
	missing := []string{}
	for _, wall := range h.Walls() {
		if !wall.Stands {
			missing = append(missing, wall.Name)
		}
	}
	return missing
}

// engine runs modules, in this process or in workers.
type engine interface {
	Prepared(digest string) bool
	Prepare(ctx context.Context, digest string, wasm []byte) error
	Inspect(ctx context.Context, digest string, wasm []byte) (*host.Inspection, error)
	Execute(ctx context.Context, attempt host.Attempt, calls host.Calls) host.Outcome
	RemoveOld(ctx context.Context, stored []string, unused time.Duration) ([]string, error)
	Close(ctx context.Context) error
}

var (
	_ engine = (*host.Engine)(nil)
	_ engine = (*sandbox.Pool)(nil)
)

func newEngine(ctx context.Context, config *Config) (engine, error) {
	if config.Isolation == Worker {
		return sandbox.New(ctx, sandbox.Config{
			CacheDir: config.CacheDir,
			Command:  config.WorkerCommand,
			// More than can work at once, so that modules that take turns keep theirs.
			Workers:          2 * config.MaxWasmWorkers,
			RequireIsolation: config.RequireIsolation,
			Logger:           config.Logger,
		})
	}
	return host.New(ctx, host.Config{CacheDir: config.CacheDir})
}
