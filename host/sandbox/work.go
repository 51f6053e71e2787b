package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host"
)

// The role of a worker is told in its environment, which holds nothing else.
const (
	roleVar     = "TASKHOST_WORKER"
	roleRun     = "run"
	roleCompile = "compile"
)

// memoryVar says how much memory a worker may use for itself, in bytes.
const memoryVar = "TASKHOST_WORKER_MEMORY"

// What a worker inherits beside its standard streams.
const (
	lifelineFD = 3 // its end is the parent's end
	moduleFD   = 4 // the directory of its module
)

// IsWorker reports whether this process was started as a worker.
func IsWorker() bool { return os.Getenv(roleVar) != "" }

// Work is all that a worker does: it returns the exit code of the process. A program
// calls it first thing, since what it does before runs in each worker.
func Work() int {
	role := os.Getenv(roleVar)
	memory, _ := strconv.ParseInt(os.Getenv(memoryVar), 10, 64)
	os.Clearenv()
	w := &work{in: bufio.NewReaderSize(os.Stdin, 64<<10), out: os.Stdout}
	if err := w.begin(role, memory); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	if err := w.serve(context.Background()); !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

// work is the state of a worker.
type work struct {
	in     *bufio.Reader
	out    *os.File
	room   []byte
	engine *host.Engine
	memory memoryLimit
	stops  *stopSignal
}

// begin gives up what the worker does not need, and says that it is there.
func (w *work) begin(role string, memory int64) error {
	watchLifeline()
	w.stops = watchStops()
	w.memory.own = memory
	cache, err := enterModuleDir()
	if err != nil {
		return err
	}
	// The engine opens what it needs of the system now, while it can.
	if w.engine, err = host.New(context.Background(), host.Config{CacheDir: cache, IdleInstances: 1}); err != nil {
		return err
	}
	walls := confine(role)
	if err := w.memory.allow(0); err == nil {
		walls = append(walls, wallMemory)
	}
	m := newMessage(kindReady)
	m.uint(uint64(len(walls)))
	for _, wall := range walls {
		m.string(wall)
	}
	return m.writeTo(w.out)
}

// watchLifeline ends the process once the parent has ended, however that was.
func watchLifeline() {
	if runtime.GOOS == "windows" {
		return // a process there inherits no other files; it ends when it reads next
	}
	lifeline := os.NewFile(lifelineFD, "lifeline")
	go func() {
		_, _ = lifeline.Read(make([]byte, 1))
		os.Exit(0) //nolint:forbidigo // whatever this worker is doing, nobody waits for it
	}()
}

// serve answers the parent until it hangs up.
func (w *work) serve(ctx context.Context) error {
	for {
		k, f, err := readFrame(w.in, maxFrame, &w.room)
		if err != nil {
			return err
		}
		switch k {
		case kindInspect:
			err = w.inspect(ctx, f)
		case kindLoad:
			err = w.load(ctx, f)
		case kindRun:
			err = w.run(ctx, f)
		default:
			err = errFrame
		}
		if err != nil {
			return err
		}
	}
}

// inspect compiles a module.
func (w *work) inspect(ctx context.Context, f *fields) error {
	digest, wasm := f.string(), f.view()
	if err := f.done(); err != nil {
		return err
	}
	found, err := w.engine.Inspect(ctx, digest, wasm)
	m := newMessage(kindInspected)
	if putError(&m, err); err == nil {
		putInspection(&m, found)
	}
	return m.writeTo(w.out)
}

// load readies the worker for attempts at one module, and closes the last door.
func (w *work) load(ctx context.Context, f *fields) error {
	digest := f.string()
	if err := f.done(); err != nil {
		return err
	}
	wasm, err := os.ReadFile(modulePath())
	if err == nil {
		err = w.engine.Prepare(ctx, digest, wasm)
	}
	debug.FreeOSMemory() // what it took to load is not what it takes to run
	var walls []string
	if err == nil {
		walls = lockDown()
	}
	m := newMessage(kindLoaded)
	if putError(&m, err); err == nil {
		m.bool(w.engine.Stats().Compiled > 0)
		m.uint(uint64(len(walls)))
		for _, wall := range walls {
			m.string(wall)
		}
	}
	return m.writeTo(w.out)
}

// run runs an attempt.
func (w *work) run(ctx context.Context, f *fields) error {
	attempt, left := getAttempt(f)
	if err := f.done(); err != nil {
		return err
	}
	_ = w.memory.allow(attempt.Limits.WithDefaults().Memory)
	ctx, cancel := context.WithTimeout(ctx, left)
	release := w.stops.to(cancel)
	outcome := w.engine.Execute(ctx, attempt, calls{w.out})
	release()
	cancel()
	m := newMessage(kindOutcome)
	putOutcome(&m, &outcome)
	return m.writeTo(w.out)
}

// calls asks the parent for what a guest asks for.
type calls struct{ out io.Writer }

var _ host.Calls = calls{}

// Log implements [host.Calls]. The parent has gone where it fails, and this process
// is about to.
func (c calls) Log(_ context.Context, line host.LogLine) {
	m := newMessage(kindLog)
	putLog(&m, &line)
	_ = m.writeTo(c.out)
}

// noTime is what is left of an attempt without a deadline.
const noTime = 24 * time.Hour
