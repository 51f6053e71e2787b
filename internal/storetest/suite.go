// Package storetest holds every store to one behaviour: the same bytes, states
// and order, down to the rows of the database. A store passes [Run], which it
// calls from a test of its own.
package storetest

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// Store is what stores have in common.
type Store interface {
	Enqueuer
	Reader
	Definer
	Worker
	Controller
	Credentials
	Sealer
	Keeper
	Announcer
	Quarantiner
	modules.Store
	Ping(ctx context.Context) error
	Close() error
}

// Enqueuer takes tasks in.
type Enqueuer interface {
	Enqueue(ctx context.Context, request task.Request) (task.ID, error)
	Submit(ctx context.Context, request task.Request) (task.Enqueued, error)
	EnqueueMany(ctx context.Context, requests []task.Request) ([]task.ID, error)
}

// Reader tells of tasks.
type Reader interface {
	Task(ctx context.Context, id task.ID) (*task.Task, error)
	Result(ctx context.Context, id task.ID) (result []byte, contentType string, err error)
	Logs(ctx context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error)
	Attempts(ctx context.Context, id task.ID) ([]task.Attempt, error)
	Await(ctx context.Context, id task.ID) error
}

// Definer knows what can be enqueued.
type Definer interface {
	Definition(ctx context.Context, name string) (*task.Definition, error)
	Definitions(ctx context.Context) ([]task.Definition, error)
	DefinitionNames(ctx context.Context) ([]string, error)
	DeclareFunctions(ctx context.Context, functions []task.Definition) error
}

// Worker runs tasks.
type Worker interface {
	Start(ctx context.Context, handler task.Handler, config riverstore.ServeConfig) error
	Stop(ctx context.Context) error
	Drainer
	Nodes(ctx context.Context) ([]task.Node, error)
	Repair(ctx context.Context) (int, error)
}

// Drainer has nodes start nothing more.
type Drainer interface {
	Drain(ctx context.Context, node string) error
	Undrain(ctx context.Context, node string) error
}

// Controller stops, repeats and lists tasks.
type Controller interface {
	Lister
	Cancel(ctx context.Context, id task.ID) error
	Retry(ctx context.Context, id task.ID, force bool) (task.ID, error)
	Bulk
}

// Lister lists tasks.
type Lister interface {
	Tasks(ctx context.Context, filter task.Filter, page task.Page) (*task.List, error)
}

// Bulk is for many tasks.
type Bulk interface {
	CancelIDs(ctx context.Context, ids []task.ID, dry bool) (*task.Bulk, error)
	CancelAll(ctx context.Context, filter task.Filter, dry bool) (*task.Bulk, error)
	RetryIDs(ctx context.Context, ids []task.ID, force, dry bool) (*task.Bulk, error)
	RetryAll(ctx context.Context, filter task.Filter, force, dry bool) (*task.Bulk, error)
}

// Keeper deletes what is old.
type Keeper interface {
	ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error)
	CollectModules(ctx context.Context, keep int, grace time.Duration) ([]task.ModuleRef, error)
	StoredDigests(ctx context.Context) ([]string, error)
	PruneKeys(ctx context.Context, limit int) (int, error)
}

// Quarantiner knows what nodes have set aside.
type Quarantiner interface {
	SetAside(ctx context.Context, node, digest, reason string) error
	StillAside(ctx context.Context, node string) ([]string, error)
	Release(ctx context.Context, digests []string) error
}

// Credentials are kept and checked.
type Credentials interface {
	PutToken(ctx context.Context, name, secret string) error
	Authenticate(ctx context.Context, secret string) (name string, ok bool, err error)
}

// Backend is a kind of database.
type Backend struct {
	// New makes an empty database, which is removed when the test has ended.
	New func(t *testing.T) Place
	// Nodes says that several nodes may work a database at once.
	Nodes bool
	// Sealed says that the places have an encryption key. Only those properties are
	// tested then that it could break; those of keys bring their own.
	Sealed bool
}

// Place is one database.
type Place struct {
	// Open opens the database once more, as another process would. The suite
	// closes what it opened.
	Open func(t *testing.T) Store
	// OpenOver is Open over a cable that can be cut. It is needed with Nodes.
	OpenOver func(t *testing.T) (Store, *Cable)
	// OpenWith is Open with other encryption keys than the place has, or none.
	OpenWith func(t *testing.T, keys ...string) (Store, error)
	// DB reads and damages rows beside the stores. It finds the tables by their
	// bare names; arguments are $1, $2…
	DB *sql.DB
	// ID turns an id into an argument.
	ID func(id task.ID) any
	// Micros turns a column that holds a time into microseconds since 1970.
	Micros func(column string) string
	// Shift is a column that holds a time, so much later.
	Shift func(column string, by time.Duration) string
	// Tx are the ways to enqueue in a transaction of the caller's own, by name.
	Tx map[string]Tx
}

// Tx begins a transaction and hands f what enqueues in it: one request as one,
// more as a batch. It commits where f returns true, and else rolls back.
type Tx func(t *testing.T, store Store, f func(enqueue func(requests ...task.Request) ([]task.ID, error)) (commit bool))

// property is one promise of a store.
type property struct {
	name string
	hold func(w *world)
	// fleet says that it is one of stores that several nodes may work, alone
	// that it is one of those that one node works alone.
	fleet, alone bool
}

// Run holds a store to every property, each on a database of its own.
func Run(t *testing.T, b Backend) {
	t.Helper()
	groups := []struct {
		name       string
		properties []property
		// sealed says that they are about what is sealed, or what it takes part in.
		sealed bool
	}{
		{"bytes", bytesProperties, true},
		{"texts", textProperties, true},
		{"enqueue", enqueueProperties, false},
		{"times", timeProperties, false},
		{"attempts", attemptProperties, true},
		{"figures", figureProperties, false},
		{"limits", limitProperties, false},
		{"priority", priorityProperties, false},
		{"idempotency", idempotencyProperties, true},
		{"unique", uniqueProperties, true},
		{"expiry", expiryProperties, true},
		{"versions", versionProperties, false},
		{"modules", moduleProperties, false},
		{"functions", functionProperties, false},
		{"logs", logProperties, true},
		{"await", awaitProperties, false},
		{"stop", stopProperties, true},
		{"cancel", cancelProperties, true},
		{"retry", retryProperties, true},
		{"list", listProperties, true},
		{"bulk", bulkProperties, true},
		{"close", closeProperties, false},
		{"recovery", recoveryProperties, true},
		{"processes", processProperties, true},
		{"transactions", txProperties, true},
		{"nodes", nodeProperties, false},
		{"drain", drainProperties, false},
		{"tokens", tokenProperties, false},
		{"fleet", fleetProperties, false},
		{"death", deathProperties, true},
		{"seal", sealProperties, false},
		{"retention", retentionProperties, false},
		{"events", eventProperties, true},
		{"collect", collectProperties, false},
		{"quarantine", quarantineProperties, false},
		{"clock", clockProperties, false},
		{"faults", faultProperties, false},
	}
	for _, group := range groups {
		if b.Sealed && !group.sealed {
			continue
		}
		for _, p := range group.properties {
			if p.fleet && !b.Nodes || p.alone && b.Nodes {
				continue
			}
			t.Run(group.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				p.hold(newWorld(t, b))
			})
		}
	}
}
