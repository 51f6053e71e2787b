package taskhost

import (
	"context"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

// store is what a Host needs of a database.
type store interface {
	enqueuer
	reader
	controller
	modules.Store
	archive
	announcer
	credentials
	runner
	vault
	quarantine
	Close() error
}

type vault interface {
	KeyUse(ctx context.Context) ([]KeyUse, error)
	KeyIDs() []string
	Reencrypt(ctx context.Context, progress func(done, total int64)) (*Resealed, error)
	SealFor(name string, text []byte) ([]byte, error)
	OpenFor(name string, sealed []byte) ([]byte, error)
}

// quarantine is the modules that nodes have set aside; [modules.Store] lists them.
type quarantine interface {
	SetAside(ctx context.Context, node, digest, reason string) error
	StillAside(ctx context.Context, node string) ([]string, error)
	Release(ctx context.Context, digests []string) error
}

type runner interface {
	Start(ctx context.Context, handler task.Handler, config riverstore.ServeConfig) error
	Quiesce()
	Drain(ctx context.Context, node string) error
	Undrain(ctx context.Context, node string) error
	Stop(ctx context.Context) error
}

type enqueuer interface {
	DeclareFunctions(ctx context.Context, functions []task.Definition) error
	Submit(ctx context.Context, request task.Request) (task.Enqueued, error)
	SubmitMany(ctx context.Context, requests []task.Request) ([]task.Enqueued, error)
	// Prepare checks a request and gives it an id; Insert stores what was prepared.
	Prepare(ctx context.Context, request task.Request, db riverstore.Definitions) (*riverstore.Row, error)
	riverstore.Inserter
}

type reader interface {
	taskReader
	Definitions(ctx context.Context) ([]task.Definition, error)
	Nodes(ctx context.Context) ([]task.Node, error)
	Ping(ctx context.Context) error
	Durability(ctx context.Context) (string, error)
}

type taskReader interface {
	Task(ctx context.Context, id task.ID) (*task.Task, error)
	Result(ctx context.Context, id task.ID) (result []byte, contentType string, err error)
	Logs(ctx context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error)
	Attempts(ctx context.Context, id task.ID) ([]task.Attempt, error)
	Await(ctx context.Context, id task.ID) error
}

type archive interface {
	// StoredDigests lists the modules whose bytes are stored.
	StoredDigests(ctx context.Context) ([]string, error)
	ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error)
}

type credentials interface {
	PutToken(ctx context.Context, name, secret string) error
	Authenticate(ctx context.Context, secret string) (name string, ok bool, err error)
}

var (
	_ store = (*sqlitestore.Store)(nil)
	_ store = (*pgstore.Store)(nil)
)

func openStore(ctx context.Context, c *Config) (store, error) {
	if c.Pool == nil && !isPostgres(c.Database) {
		return sqlitestore.Open(ctx, sqlitestore.Config{Path: c.Database, NoMigrate: c.NoMigrate, EncryptKeys: c.EncryptArgsKeys, NoEvents: c.EventRetention < 0, Logger: c.Logger})
	}
	return pgstore.Open(ctx, pgstore.Config{
		URL: c.Database, Pool: c.Pool, Schema: c.Schema, NoMigrate: c.NoMigrate, Logger: c.Logger,
		EncryptKeys: c.EncryptArgsKeys, AllowUnsafe: c.AllowUnsafeDatabase, NoEvents: c.EventRetention < 0,
	})
}

// isPostgres tells the address of a Postgres database from the path of a file.
func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// place names the database, without the password that its address may hold.
func (c *Config) place() string {
	config := (*pgxpool.Config)(nil)
	switch {
	case c.Pool != nil:
		config = c.Pool.Config()
	case isPostgres(c.Database):
		config, _ = pgxpool.ParseConfig(c.Database) // it was opened, so it can be read
	}
	if config == nil {
		return c.Database
	}
	return "postgres://" + config.ConnConfig.Host + "/" + config.ConnConfig.Database
}

// logStarted says what the host works, and what is to be expected of it.
func (h *Host) logStarted(ctx context.Context, node string) {
	durability, err := h.store.Durability(ctx)
	if err != nil {
		durability = "unknown" // it was known when the database was opened
	}
	key := "none" // tasks are stored in clear
	if ids := h.store.KeyIDs(); len(ids) > 0 {
		key = ids[0]
	}
	h.config.Logger.InfoContext(ctx, "taskhost started", slog.String("node", node),
		slog.String("database", h.config.place()), slog.String("durability", durability), slog.String("encryption_key_id", key),
		slog.Int("wasm_slots", h.config.MaxWasmWorkers),
		slog.String("isolation", string(h.config.Isolation)), slog.Any("missing_walls", h.missingWalls()))
}
