package queuebench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// postgresPlace is two schemas in a database: one for a store, one for bare River.
type postgresPlace struct {
	config *Config
	pool   *pgxpool.Config
	schema string
}

// isPostgres tells the address of a Postgres database from a path.
func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

func newPlace(config *Config) (place, error) {
	if !isPostgres(config.Database) {
		return newSQLitePlace(config)
	}
	pool, err := pgxpool.ParseConfig(config.Database)
	if err != nil { // which may quote the password
		return nil, &ConfigError{"the address of the database cannot be read: write it as postgres://user:password@host:5432/database, and percent-encode what is not a letter or digit in the password"}
	}
	return &postgresPlace{config: config, pool: pool, schema: "taskhost_bench_" + strings.ToLower(rand.Text()[:10])}, nil
}

func (p *postgresPlace) riverSchema() string { return p.schema + "_river" }

func (p *postgresPlace) clean(ctx context.Context) error {
	if err := p.drop(ctx, p.schema, p.riverSchema()); err != nil {
		return fmt.Errorf("drop the schemas %s and %s: %w: drop them by hand", p.schema, p.riverSchema(), err)
	}
	return nil
}

func (p *postgresPlace) drop(ctx context.Context, schemas ...string) error {
	return p.connected(ctx, func(conn *pgx.Conn) error {
		// It says what goes with a schema, at length.
		if _, err := conn.Exec(ctx, "SET client_min_messages = warning"); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+strings.Join(schemas, ", ")+" CASCADE")
		return err
	})
}

// connected gives f a connection for the time of the call.
func (p *postgresPlace) connected(ctx context.Context, f func(*pgx.Conn) error) (err error) {
	conn, err := pgx.ConnectConfig(ctx, p.pool.ConnConfig.Copy())
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() {
		ctx, cancel := stopping(ctx)
		defer cancel()
		err = errors.Join(err, conn.Close(ctx))
	}()
	return f(conn)
}

func (p *postgresPlace) describe(ctx context.Context, env *Environment) error {
	env.Store = "postgres"
	return p.connected(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT current_setting('server_version'), current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off'").
			Scan(&env.Postgres, &env.Durable)
	})
}

func (p *postgresPlace) ours(ctx context.Context) (*subject, error) {
	if err := p.drop(ctx, p.schema); err != nil {
		return nil, err
	}
	store, err := pgstore.Open(ctx, pgstore.Config{
		URL: p.config.Database, Schema: p.schema, Logger: p.config.Logger,
		EncryptKeys: p.config.keys(), AllowUnsafe: true, // the report says so
	})
	if err != nil {
		return nil, err
	}
	rows, caller, err := p.beside(ctx, p.schema, `
		SELECT EXISTS (SELECT FROM {schema}.task WHERE status = 'running') OR EXISTS (SELECT FROM {schema}.task WHERE status = 'pending')`, `
		SELECT count(*) FROM {schema}.task WHERE status = 'success'`)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s := &subject{rows: rows, close: closeAll(closer(rows.pool), closer(caller), store.Close)}
	transact := pgxTransactor(caller)
	s.queue, err = newOurs(ctx, store, func(ctx context.Context, request task.Request) (time.Time, error) {
		return transact(ctx, func(tx pgx.Tx) error {
			_, err := store.EnqueueTx(ctx, tx, request)
			return err
		})
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// storePools is how many connections a store has beside those of its pool.
const storePools = 3

func (p *postgresPlace) bare(ctx context.Context) (*subject, error) {
	if err := p.drop(ctx, p.riverSchema()); err != nil {
		return nil, err
	}
	err := p.connected(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE SCHEMA "+p.riverSchema())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a schema: %w", err)
	}
	// As many connections as a store has, set up alike.
	pool, err := p.open(ctx, p.pool.MaxConns+storePools, map[string]string{"plan_cache_mode": "force_custom_plan", "random_page_cost": "1.1"})
	if err != nil {
		return nil, err
	}
	rows, caller, err := p.beside(ctx, p.riverSchema(), `
		SELECT EXISTS (SELECT FROM {schema}.river_job WHERE state IN ('available', 'running', 'retryable', 'scheduled', 'pending'))`, `
		SELECT count(*) FROM {schema}.river_job WHERE state = 'completed'`)
	if err != nil {
		return nil, errors.Join(err, closer(pool)())
	}
	queue := &bareRiver[pgx.Tx]{driver: riverpgxv5.New(pool), schema: p.riverSchema(), transact: pgxTransactor(caller), idlePoll: riverPoll}
	s := &subject{queue: queue, rows: rows, close: closeAll(closer(rows.pool), closer(caller), closer(pool))}
	if err := queue.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// beside opens what is not the subject's: connections to look at its rows, and those
// of a caller with transactions of its own.
func (p *postgresPlace) beside(ctx context.Context, schema, openQuery, succeededQuery string) (*postgresRows, *pgxpool.Pool, error) {
	// Without statistics, it would go through the table.
	looking, err := p.open(ctx, 1, map[string]string{"enable_seqscan": "off"})
	if err != nil {
		return nil, nil, err
	}
	caller, err := p.open(ctx, p.pool.MaxConns, nil)
	if err != nil {
		looking.Close()
		return nil, nil, err
	}
	in := strings.NewReplacer("{schema}", schema)
	return &postgresRows{looking, in.Replace(openQuery), in.Replace(succeededQuery)}, caller, nil
}

func (p *postgresPlace) open(ctx context.Context, connections int32, parameters map[string]string) (*pgxpool.Pool, error) {
	config := p.pool.Copy()
	config.MaxConns, config.MinConns = connections, min(config.MinConns, connections)
	maps.Copy(config.ConnConfig.RuntimeParams, parameters)
	return pgxpool.NewWithConfig(ctx, config)
}

func closer(pool *pgxpool.Pool) func() error {
	return func() error {
		pool.Close()
		return nil
	}
}

func pgxTransactor(pool *pgxpool.Pool) transactor[pgx.Tx] {
	return func(ctx context.Context, f func(pgx.Tx) error) (time.Time, error) {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if err := f(tx); err != nil {
			ctx, cancel := stopping(ctx)
			defer cancel()
			return time.Time{}, errors.Join(err, tx.Rollback(ctx))
		}
		at := time.Now()
		return at, tx.Commit(ctx)
	}
}

// postgresRows asks with two queries.
type postgresRows struct {
	pool                      *pgxpool.Pool
	openQuery, succeededQuery string
}

func (r *postgresRows) open(ctx context.Context) (open bool, err error) {
	return open, r.pool.QueryRow(ctx, r.openQuery).Scan(&open)
}

func (r *postgresRows) succeeded(ctx context.Context) (n int, err error) {
	return n, r.pool.QueryRow(ctx, r.succeededQuery).Scan(&n)
}
