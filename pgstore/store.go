// Package pgstore keeps tasks and modules in Postgres, using River. Any number of
// processes may [Open] a database and enqueue into it, and any number of them may
// [Store.Start] to work its tasks: those are its nodes.
//
// Our tables and River's live in a schema of their own, so that a program that
// uses River itself is not disturbed.
package pgstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// DefaultSchema holds the tables unless [Config.Schema] says otherwise.
const DefaultSchema = "taskhost"

// controlConnections is how many connections are kept for what must not wait for
// anything else: one that listens, one that sweeps, one that is held while what is old
// is deleted, and those for signs of life.
const controlConnections = 5

// Config says which database to open. Give a URL or a pool.
type Config struct {
	// URL names the database, as postgres://user:password@host:port/database or
	// as a list of key=value. What it leaves out is taken from the variables
	// that libpq reads, such as PGPASSWORD. pool_max_conns sets how many
	// connections are used, beside a few for the node's own signs of life.
	URL string
	// Pool is used in place of URL, and is not closed. Beside it, the store
	// opens a few connections of its own with the pool's settings.
	Pool *pgxpool.Pool
	// Schema holds the tables. It is made if it does not exist. Defaults to
	// [DefaultSchema].
	Schema string
	// NoMigrate leaves the tables as they are. Open returns an error where they
	// are not up to date.
	NoMigrate bool
	// EncryptKeys are the keys that arguments, results, error texts and logs are
	// sealed under before they reach the database, as the URL-safe base64 of 32 bytes:
	// the first seals, all of them open. Defaults to none.
	EncryptKeys []string
	// AllowUnsafe opens a server that may lose what it has committed, with a warning
	// in place of an error.
	AllowUnsafe bool
	// NoEvents leaves out what [Store.Events] would tell of what this process does.
	NoEvents bool
	// Logger takes what the store has to report. Defaults to none.
	Logger *slog.Logger
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	*riverstore.Enqueuer
	*riverstore.Control
	*riverstore.Feed

	schema  string
	logger  *slog.Logger
	pool    *pgxpool.Pool
	ownPool bool
	control *pgxpool.Pool
	sql     statements
	// noEvents is set where no events are recorded.
	noEvents bool
	// hot is how statements run whose plans depend on what is in the tables.
	hot     pgx.QueryExecMode
	waiters *riverstore.Waiters
	sweeper *sweeper
	vault   *riverstore.Vault // nil without keys

	mu      sync.Mutex
	serving *serving // nil unless started
	closed  bool

	closing  sync.Once
	closeErr error
}

var _ riverstore.Database = (*Store)(nil)

// Open connects to a database and brings its tables up to date. ctx bounds that
// work. The caller must Close the store.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	place, err := config.place()
	if err != nil {
		return nil, err
	}
	s := &Store{schema: place.schema, noEvents: config.NoEvents, logger: config.Logger, pool: config.Pool, sql: newStatements(place.schema, !config.NoEvents), hot: hotMode(config.Pool, place.config)}
	if err := s.open(ctx, place, &config); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", place, explain(err)), s.Close())
	}
	s.Enqueuer = riverstore.NewEnqueuer(s, riverstore.EnqueuerConfig{KeysApart: true, Vault: s.vault})
	s.Feed = riverstore.NewFeed(s)
	s.Control = riverstore.NewControl(s, dialect(place.schema))
	s.waiters = riverstore.NewWaiters(s)
	s.sweeper = newSweeper(s.sweep, s.logger)
	return s, nil
}

func (s *Store) open(ctx context.Context, place *place, config *Config) error {
	if err := place.prepare(ctx, config.NoMigrate); err != nil {
		return err
	}
	var err error
	if s.pool == nil {
		if s.pool, err = pgxpool.NewWithConfig(ctx, place.config.Copy()); err != nil {
			return err
		}
		s.ownPool = true
	}
	control := place.config.Copy()
	control.MaxConns, control.MinConns, control.MinIdleConns = controlConnections, 0, 0
	if s.control, err = pgxpool.NewWithConfig(ctx, control); err != nil {
		return err
	}
	if err := s.checkDurable(ctx, config.AllowUnsafe); err != nil {
		return err
	}
	s.vault, err = riverstore.OpenVault(ctx, s, config.EncryptKeys)
	return err
}

// Close closes the connections. Where the store is started, it is stopped first:
// attempts in progress are interrupted and waited for. Calling it again returns
// when it is closed.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.mu.Lock()
	serving := s.serving
	s.closed = true
	s.mu.Unlock()
	var errs []error
	if serving != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		errs = append(errs, serving.stopping.Stop(ctx))
	}
	if s.Enqueuer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, s.Wait(ctx))
	}
	if s.control != nil {
		s.control.Close()
	}
	if s.ownPool {
		s.pool.Close()
	}
	return errors.Join(errs...)
}

// place is a schema in a database.
type place struct {
	config *pgxpool.Config
	schema string
}

// schemaPattern keeps names plain, and short enough for the names of channels
// that River makes of them.
var schemaPattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

func (c *Config) place() (*place, error) {
	p := &place{schema: c.Schema}
	if p.schema == "" {
		p.schema = DefaultSchema
	}
	if !schemaPattern.MatchString(p.schema) || strings.HasPrefix(p.schema, "pg_") {
		return nil, fmt.Errorf("the schema %.60q must be 1 to 40 of a-z, 0-9 and '_', and not start with a digit or pg_", p.schema)
	}
	if c.Pool != nil {
		p.config = c.Pool.Config()
		return p, nil
	}
	var err error
	p.config, err = pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("the address of the database cannot be read: write it as postgres://user:password@host:5432/database, and percent-encode what is not a letter or digit in the password")
	}
	if p.config.ConnConfig.ConnectTimeout == 0 {
		p.config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if p.config.ConnConfig.RuntimeParams["application_name"] == "" {
		p.config.ConnConfig.RuntimeParams["application_name"] = "taskhost"
	}
	p.config.AfterConnect = planForQueue
	return p, nil
}

// hotMode chooses how statements run whose plans depend on what is in the tables.
// On the connections of a caller's pool, which are not set up for it, each is
// planned anew by not being prepared under a name.
func hotMode(pool *pgxpool.Pool, config *pgxpool.Config) pgx.QueryExecMode {
	mode := config.ConnConfig.DefaultQueryExecMode
	if pool != nil && mode == pgx.QueryExecModeCacheStatement {
		return pgx.QueryExecModeCacheDescribe
	}
	return mode
}

// planForQueue has Postgres plan for tables that are in memory, which a queue's are:
// it looks rows up then in place of going through a table that is not large yet. And
// it plans anew each time, since a plan that was made when the tables were empty
// would be kept for ever.
func planForQueue(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SET random_page_cost = 1.1; SET plan_cache_mode = force_custom_plan")
	return err
}

// connectTimeout bounds the making of a connection, where the address does not.
const connectTimeout = 5 * time.Second

// String names the place, without the password.
func (p *place) String() string {
	c := p.config.ConnConfig
	return fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database)
}

// inTx runs f in a transaction.
func (s *Store) inTx(ctx context.Context, f func(tx pgx.Tx) error) error {
	return withCause(pgx.BeginFunc(ctx, s.pool, f))
}

// nullable turns an empty text into NULL.
func nullable(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// rawIDs are ids as pgx sends them.
func rawIDs(ids []task.ID) [][16]byte {
	raw := make([][16]byte, len(ids))
	for i, id := range ids {
		raw[i] = id
	}
	return raw
}

func rawID(id *[16]byte) *task.ID {
	if id == nil {
		return nil
	}
	out := task.ID(*id)
	return &out
}

// inUTC gives times the zone that they are shown in.
func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
