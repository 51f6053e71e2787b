package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/taskhost/taskhost/internal/riverstore"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the tables' history.
type Migration = riverstore.Migration

// oldestServer is the oldest major version of Postgres that is tested.
const oldestServer = 14

// tables is what stands in a place.
type tables struct {
	schema bool // the schema exists
	ours   int  // our newest migration, 0 for none
	marked bool // the table of our migrations exists
	river  []int
}

// Migrate brings the tables up to date, and lists their migrations. [Open] does
// the same.
func Migrate(ctx context.Context, config Config) ([]Migration, error) {
	place, err := config.place()
	if err != nil {
		return nil, err
	}
	if err := place.prepare(ctx, false); err != nil {
		return nil, fmt.Errorf("database %s: %w", place, explain(err))
	}
	return MigrationStatus(ctx, config)
}

// MigrationStatus lists the migrations, without applying any.
func MigrationStatus(ctx context.Context, config Config) ([]Migration, error) {
	place, err := config.place()
	if err != nil {
		return nil, err
	}
	var found *tables
	err = place.connect(ctx, func(pool *pgxpool.Pool) error {
		var err error
		found, err = place.look(ctx, pool)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", place, explain(err))
	}
	return riverstore.Migrations(migrationFiles, found.ours)
}

// connect gives f a small pool for the time of the call.
func (p *place) connect(ctx context.Context, f func(*pgxpool.Pool) error) error {
	config := p.config.Copy()
	config.MaxConns, config.MinConns, config.MinIdleConns = 2, 0, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	return f(pool)
}

// prepare brings the tables up to date, or only checks that they are.
func (p *place) prepare(ctx context.Context, noMigrate bool) error {
	return p.connect(ctx, func(pool *pgxpool.Pool) error {
		if err := checkServer(ctx, pool); err != nil {
			return err
		}
		current, err := p.current(ctx, pool)
		switch {
		case err != nil || current:
			return err
		case noMigrate:
			return fmt.Errorf("the tables in the schema %s are not up to date, and may not be changed at start: run 'taskhost migrate up --database URL --schema %s' as a user who may", p.schema, p.schema)
		default:
			return p.migrate(ctx, pool)
		}
	})
}

func checkServer(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	version := conn.Conn().PgConn().ParameterStatus("server_version")
	// Such as "15.4 (Debian 15.4-1)", "9.6.24" or "18beta1".
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	if major, err := strconv.Atoi(digits); err == nil && major < oldestServer {
		return fmt.Errorf("the server is PostgreSQL %s: it must be version %d or newer", version, oldestServer)
	}
	return nil
}

// current reports whether everything is up to date. It returns an error for tables
// that are not ours to use.
func (p *place) current(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	found, err := p.look(ctx, pool)
	if err != nil {
		return false, err
	}
	migrations, err := riverstore.Migrations(migrationFiles, found.ours)
	if err != nil {
		return false, err
	}
	river, err := p.riverVersions(pool)
	if err != nil {
		return false, err
	}
	if len(found.river) > 0 && slices.Max(found.river) > river {
		return false, fmt.Errorf("the queue's tables were migrated to version %d by a newer program, this one knows version %d: use the newer one", slices.Max(found.river), river)
	}
	return migrations[len(migrations)-1].Applied && slices.Contains(found.river, river), nil
}

// look reads what stands in the schema, without changing anything.
func (p *place) look(ctx context.Context, pool *pgxpool.Pool) (*tables, error) {
	found := new(tables)
	var riverJob, riverMigration bool
	err := pool.QueryRow(ctx, `
		SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.taskhost_migration') IS NOT NULL,
			to_regclass($1 || '.river_job') IS NOT NULL, to_regclass($1 || '.river_migration') IS NOT NULL`,
		p.schema).Scan(&found.schema, &found.marked, &riverJob, &riverMigration)
	if err != nil {
		return nil, err
	}
	if riverJob && !found.marked {
		return nil, fmt.Errorf("the schema %s holds the table river_job of another program: choose another schema with --schema (Config.Schema)", p.schema)
	}
	if found.marked {
		err := pool.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM "+p.schema+".taskhost_migration").Scan(&found.ours)
		if err != nil {
			return nil, err
		}
	}
	// Another program may be making the queue's tables at this moment: they are
	// complete once ours are there.
	if riverMigration && found.ours > 0 {
		rows, err := pool.Query(ctx, "SELECT version::int FROM "+p.schema+".river_migration WHERE line = 'main'")
		if err != nil {
			return nil, err
		}
		if found.river, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (p *place) migrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: p.schema, Logger: slog.New(slog.DiscardHandler)})
}

// riverVersions returns the newest version of the queue's tables that this program
// knows.
func (p *place) riverVersions(pool *pgxpool.Pool) (int, error) {
	migrator, err := p.migrator(pool)
	if err != nil {
		return 0, err
	}
	all := migrator.AllVersions()
	return all[len(all)-1].Version, nil
}

// migrate brings the tables up to date. Of programs that start together, one does
// so and the others wait for it.
func (p *place) migrate(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	// The lock is the connection's, and ends with it.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", "taskhost migrate "+p.schema); err != nil {
		return err
	}
	defer func() { _ = conn.Conn().Close(context.WithoutCancel(ctx)) }()

	if current, err := p.current(ctx, pool); err != nil || current {
		return err
	}
	if err := p.migrateOurs(ctx, conn, pool); err != nil {
		return p.lacksRights(err)
	}
	return nil
}

func (p *place) migrateOurs(ctx context.Context, conn *pgxpool.Conn, pool *pgxpool.Pool) error {
	found, err := p.look(ctx, pool)
	if err != nil {
		return err
	}
	if !found.schema {
		if _, err := conn.Exec(ctx, "CREATE SCHEMA "+p.schema); err != nil {
			return err
		}
	}
	// First of all, since it marks the tables that follow as ours.
	if _, err := conn.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS `+p.schema+`.taskhost_migration (
			version    integer     NOT NULL PRIMARY KEY,
			name       text        NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`); err != nil {
		return err
	}
	migrator, err := p.migrator(pool)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue's tables: %w", err)
	}
	migrations, err := riverstore.Migrations(migrationFiles, found.ours)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		if m.Applied {
			continue
		}
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return p.apply(ctx, tx, m) }); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func (p *place) apply(ctx context.Context, tx pgx.Tx, m Migration) error {
	text, err := migrationFiles.ReadFile("migrations/" + m.Name)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SET LOCAL search_path TO "+p.schema); err != nil {
		return err
	}
	// Without arguments, so that it may be several statements.
	if _, err := tx.Exec(ctx, string(text), pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO taskhost_migration (version, name) VALUES ($1, $2)", m.Version, m.Name)
	return err
}

// lacksRights says what an operator has to do where the user may not make tables.
func (p *place) lacksRights(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != pgerrcode.InsufficientPrivilege {
		return err
	}
	return fmt.Errorf("%w: the user %s may not make the tables: run 'CREATE SCHEMA %s AUTHORIZATION %s' once as the owner of the database, or 'taskhost migrate up' as a user who may",
		err, p.config.ConnConfig.User, p.schema, p.config.ConnConfig.User)
}
