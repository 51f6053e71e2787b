package taskhost

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taskhost/taskhost/task"
)

// Config says how a [Host] works. The zero value works: it keeps tasks in the
// file taskhost.db of the current directory.
type Config struct {
	// Database is the path of a SQLite file, which is made if it does not exist;
	// its directory must. Or it is the address of a Postgres database, as
	// postgres://user:password@host:port/database, which any number of hosts may
	// share; pool_max_conns sets how many connections are used. Defaults to
	// "taskhost.db".
	Database string
	// Pool is a Postgres database to use in place of Database. It is not closed.
	// A few connections more are opened with its settings, for what must not wait
	// for others. It should have some to spare: each enqueue, claim and end takes
	// one for a moment.
	Pool *pgxpool.Pool
	// Schema holds the tables in Postgres. It is made if it does not exist.
	// Defaults to "taskhost".
	Schema string
	// NoMigrate leaves the tables as they are: [New] returns an error where they
	// are not up to date, and 'taskhost migrate up' brings them so.
	NoMigrate bool
	// EncryptArgsKeys are the keys that arguments, results, error texts and logs are
	// sealed under before they reach the database, each the URL-safe base64 of 32
	// bytes, as Fernet's are: the first seals, all of them open. 'taskhost key new' or
	// [NewKey] makes one. Every host of a shared database needs all that are in use.
	// Defaults to none: everything is stored in clear.
	EncryptArgsKeys []string
	// AllowUnsafeDatabase opens a Postgres that may lose what it has committed, with
	// fsync or synchronous_commit off, and only warns. Without, New returns an error.
	AllowUnsafeDatabase bool
	// CacheDir keeps compiled modules, so that a restart need not compile them
	// again. It holds executable code: nobody else may be able to write there.
	// It is made if it does not exist. Defaults to none.
	CacheDir string
	// Isolation says where guests run: [InProcess], or [Worker]s. Defaults to
	// InProcess.
	Isolation Isolation
	// WorkerCommand starts a worker, with its arguments: a program that calls
	// [RunWorker] first. Defaults to the program itself, which then has to.
	WorkerCommand []string
	// RequireIsolation has [New] fail where a wall around workers cannot stand on
	// this system, which [Host.Walls] tells.
	RequireIsolation bool
	// Logger takes what the host has to report. Arguments, results and task
	// logs are never written to it. Defaults to none.
	Logger *slog.Logger

	// MaxConcurrentTasks bounds the Go functions of executor async that run at
	// once. Defaults to 10,000, which is also the most.
	MaxConcurrentTasks int
	// MaxSyncThreads bounds those of executor thread. Defaults to the number
	// of processors and 4, at most 32.
	MaxSyncThreads int
	// MaxWasmWorkers bounds the guests that run at once. Defaults to four for
	// each processor, at least 8. Each may use the memory that its definition
	// allows.
	MaxWasmWorkers int

	// Limits are the most that definitions may ask for: a module that asks for more
	// is refused when it is pushed, a Go function when it is registered. A task that
	// another host let in is held to them when it runs here. Each host of a shared
	// database should have the same.
	Limits task.Ceilings

	// Retention is how long tasks are kept once they have ended, by how they ended,
	// with their logs, attempts and results: [task.KeepFor] has one time for all.
	// Zero, the default, keeps them for ever. Any host of a shared database deletes
	// what is older than its own Retention says: each should have the same.
	Retention task.Retention
	// EventRetention is how long events are kept for who follows them, see
	// [Host.Events]. Where it is negative, what this host does is not announced, and on
	// SQLite nothing is. Each host of a shared database should have the same. Defaults
	// to 1 hour.
	EventRetention time.Duration
	// ModuleVersionsKept is how many of the newest versions of a module are kept.
	// Older ones are deleted once they are not live and no task has them: neither one
	// that is to run, nor one that is kept. Defaults to 10.
	ModuleVersionsKept int

	// ShutdownTimeout is how long [Host.Run] lets attempts finish before it
	// interrupts them. Defaults to 30 seconds.
	ShutdownTimeout time.Duration
	// LogFlushInterval is how often the lines that running tasks log are
	// stored. A crash loses at most that much of them. Defaults to 100
	// milliseconds.
	LogFlushInterval time.Duration
}

// maxSlots is the most attempts of one executor that River can have at once.
const maxSlots = 10_000

func (c Config) withDefaults() Config {
	setDefault(&c.Database, "taskhost.db")
	setDefault(&c.Isolation, InProcess)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.MaxConcurrentTasks, maxSlots)
	setDefault(&c.MaxSyncThreads, min(32, runtime.NumCPU()+4))
	setDefault(&c.MaxWasmWorkers, max(8, 4*runtime.NumCPU()))
	c.Limits = c.Limits.WithDefaults()
	setDefault(&c.EventRetention, time.Hour)
	setDefault(&c.ModuleVersionsKept, 10)
	setDefault(&c.ShutdownTimeout, 30*time.Second)
	setDefault(&c.LogFlushInterval, 100*time.Millisecond)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	for _, slots := range []struct {
		name  string
		value int
	}{
		{"MaxConcurrentTasks", c.MaxConcurrentTasks},
		{"MaxSyncThreads", c.MaxSyncThreads},
		{"MaxWasmWorkers", c.MaxWasmWorkers},
	} {
		if slots.value < 1 || slots.value > maxSlots {
			return fmt.Errorf("taskhost: Config.%s must be from 1 to %d, is %d", slots.name, maxSlots, slots.value)
		}
	}
	if err := c.Limits.Validate(); err != nil {
		return fmt.Errorf("taskhost: Config.Limits: %w", err)
	}
	if err := c.validateIsolation(); err != nil {
		return err
	}
	if err := c.Retention.Validate(); err != nil {
		return fmt.Errorf("taskhost: Config.Retention: %w", err)
	}
	if c.ModuleVersionsKept < 1 {
		return fmt.Errorf("taskhost: Config.ModuleVersionsKept must be at least 1, is %d", c.ModuleVersionsKept)
	}
	if scheme, _, ok := strings.Cut(c.Database, "://"); ok && !isPostgres(c.Database) {
		return fmt.Errorf("taskhost: Config.Database must be the path of a file or an address that begins with postgres://, not with %.20s://", scheme)
	}
	if c.ShutdownTimeout < 0 {
		return fmt.Errorf("taskhost: Config.ShutdownTimeout must not be negative, is %v", c.ShutdownTimeout)
	}
	if c.LogFlushInterval < time.Millisecond {
		return fmt.Errorf("taskhost: Config.LogFlushInterval must be at least 1ms, is %v", c.LogFlushInterval)
	}
	return nil
}
