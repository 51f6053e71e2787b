package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Config says how a [Pool] works.
type Config struct {
	// CacheDir keeps compiled modules, each in a directory of its own. It is made
	// if it does not exist. Defaults to a temporary one, which goes with the pool.
	CacheDir string
	// Command starts a worker: a program that calls [Work] where [IsWorker] says
	// so. Defaults to the program that is running.
	Command []string
	// Workers is how many workers are kept, of all modules together; the least
	// recently used go first, and each has some 30 to 60 MiB. Defaults to 16.
	Workers int
	// WorkerMemory is how much memory a worker may use beside that of its guest,
	// and CompileMemory how much one that compiles may use, in bytes, where the
	// system has such a limit. Default to 256 MiB and 1 GiB.
	WorkerMemory, CompileMemory int64
	// CompileTimeout bounds how long a module may take to be compiled. Defaults
	// to 60 seconds.
	CompileTimeout time.Duration
	// MaxRuns is how many attempts a worker runs before it is replaced. Defaults
	// to 10,000.
	MaxRuns int
	// RequireIsolation makes [New] fail where a wall is missing.
	RequireIsolation bool
	// Logger takes what the operator should know of workers. Defaults to none.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	setDefault(&c.Workers, 16)
	setDefault(&c.WorkerMemory, raceFactor*256<<20)
	setDefault(&c.CompileMemory, raceFactor*1<<30)
	setDefault(&c.CompileTimeout, raceFactor*60*time.Second)
	setDefault(&c.MaxRuns, 10_000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Pool runs modules in workers. It has the methods of [host.Engine], and is safe for
// concurrent use.
type Pool struct {
	config    Config
	command   []string
	dir       string
	temporary bool
	isolation isolation
	walls     []Wall
	spawns    chan func()
	quit      chan struct{} // closed by Close
	compiles  chan struct{} // as many at a time as there is room for

	mu      sync.Mutex
	modules map[string]*module
	workers int // that live or are being started
	clock   uint64
	closed  bool
	stats   Stats
}

// Wall is one of the things that a worker is to be cut off by.
type Wall struct {
	Name   string
	Stands bool
}

// Stats are the figures of a pool since it was made.
type Stats struct {
	// Workers is how many there are now, and Idle how many of them wait.
	Workers, Idle int
	// Started and Died are workers: those that were started, and those of them
	// that ended by themselves, or because a guest could not be stopped.
	Started, Died int64
}

// module is what the pool knows of a module.
type module struct {
	digest   string
	idle     []*process // the last one was used last
	used     uint64
	usedAt   time.Time
	attempts int    // that run
	deaths   int    // in a row
	death    string // the last one
	ready    bool
	working  chan struct{} // closed when a compilation ends; nil where there is none
}

// walled are all walls that can stand.
var walled = []string{"process", "namespaces", "unprivileged-user", "filesystem", "no-new-privileges", "resource-limits", "memory-limit", "seccomp"}

// New returns a pool once a worker has been seen to start. ctx bounds that. The
// caller must Close it.
func New(ctx context.Context, config Config) (*Pool, error) {
	return newPool(ctx, config, isolations())
}

func newPool(ctx context.Context, config Config, isolations []isolation) (_ *Pool, err error) {
	p := &Pool{config: config.withDefaults(), command: config.Command, dir: config.CacheDir, modules: make(map[string]*module), spawns: make(chan func()), quit: make(chan struct{})}
	p.compiles = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	if len(p.command) == 0 {
		if p.command, err = defaultCommand(); err != nil {
			return nil, fmt.Errorf("find the program that is to be a sandbox worker: %w", err)
		}
	}
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "taskhost-modules"); err != nil {
			return nil, fmt.Errorf("make a directory for compiled modules: %w", err)
		}
		p.temporary = true
	}
	// nobody has to pass here; what is inside is said for each directory.
	p.dir = filepath.Join(p.dir, "workers")
	if err := os.MkdirAll(p.dir, 0o711); err != nil {
		return nil, fmt.Errorf("make the directory for compiled modules: %w", err)
	}
	if err := p.removeProbes(); err != nil {
		return nil, fmt.Errorf("remove what was left in the directory for compiled modules: %w", err)
	}
	go p.spawner()
	if err := p.probe(ctx, isolations); err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	return p, nil
}

// spawner starts processes from one thread, which lives as long as the pool: a worker
// is killed when the thread that started it ends.
func (p *Pool) spawner() {
	runtime.LockOSThread()
	for {
		select {
		case spawn := <-p.spawns:
			spawn()
		case <-p.quit:
			return
		}
	}
}

// spawn has the spawner call start.
func (p *Pool) spawn(start func() error) error {
	done := make(chan error, 1)
	select {
	case p.spawns <- func() { done <- start() }:
		return <-done
	case <-p.quit:
		return errClosed
	}
}

var errClosed = errors.New("the pool of sandbox workers is closed")

// probe finds the best isolation that works here.
func (p *Pool) probe(ctx context.Context, isolations []isolation) (err error) {
	empty, err := os.MkdirTemp(p.dir, probeName)
	if err != nil {
		return fmt.Errorf("make a directory for a sandbox worker: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(empty)) }()
	if err := os.Chmod(empty, 0o755); err != nil { //nolint:gosec // it is empty
		return err
	}
	dir, err := os.Open(empty)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	var failed error
	for _, p.isolation = range isolations {
		w, err := p.start(ctx, roleCompile, dir)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		w.stop()
		return p.build(slices.Concat(p.outer(), w.walls))
	}
	return failed
}

// outer are the walls that the parent builds.
func (p *Pool) outer() []string { return append([]string{"process"}, p.isolation.walls()...) }

// build notes which walls stand.
func (p *Pool) build(standing []string) error {
	var missing []string
	for _, name := range walled {
		stands := slices.Contains(standing, name)
		p.walls = append(p.walls, Wall{name, stands})
		if !stands {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 && p.config.RequireIsolation {
		return fmt.Errorf("the sandbox is to be complete, and this system does not have: %v: allow namespaces and seccomp to this process, or do not require isolation", missing)
	}
	return nil
}

// Walls tells which walls stand.
func (p *Pool) Walls() []Wall { return slices.Clone(p.walls) }

// Stats returns the figures of the pool.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Workers = p.workers
	for _, m := range p.modules {
		stats.Idle += len(m.idle)
	}
	return stats
}

// Close ends all workers. Executions must have ended.
func (p *Pool) Close(context.Context) error {
	p.mu.Lock()
	var idle []*process
	for _, m := range p.modules {
		idle = append(idle, m.idle...)
		m.idle = nil
	}
	wasClosed := p.closed
	p.closed = true
	p.mu.Unlock()
	for _, w := range idle {
		p.end(w)
	}
	if wasClosed {
		return nil
	}
	close(p.quit)
	if p.temporary {
		return os.RemoveAll(filepath.Dir(p.dir))
	}
	return nil
}
