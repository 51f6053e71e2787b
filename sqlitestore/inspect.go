package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// found is what a file holds, as far as migrations are concerned.
type found struct {
	migrations []Migration
	// lags says what River's tables lack, where ours are up to date.
	lags string
}

// inspect looks at a file without writing to it. It refuses one that is another
// program's, and one that a newer version of this program has migrated.
func inspect(ctx context.Context, file string) (_ *found, err error) {
	// Not connect: that would put the file into WAL mode.
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := refuseForeign(ctx, db); err != nil {
		return nil, err
	}
	f := new(found)
	if f.migrations, err = migrationStatus(ctx, db); err != nil {
		return nil, err
	}
	if f.version() == f.newest() {
		f.lags, err = riverLags(ctx, db)
	}
	return f, err
}

func (f *found) version() (version int) {
	for _, m := range f.migrations {
		if m.Applied {
			version = m.Version
		}
	}
	return version
}

func (f *found) newest() int { return f.migrations[len(f.migrations)-1].Version }

// upToDate says what to type where the file is not.
func upToDate(ctx context.Context, file string) error {
	command := "taskhost migrate up --database " + file
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("%w: type '%s' to make it", err, command)
	}
	f, err := inspect(ctx, file)
	switch {
	case err != nil:
		return err
	case f.version() < f.newest():
		return fmt.Errorf("its tables are at version %d, and this program works with version %d: type '%s'", f.version(), f.newest(), command)
	case f.lags != "":
		return fmt.Errorf("the queue's tables are older than this program (%s): type '%s'", f.lags, command)
	}
	return nil
}

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)

// refuseForeign refuses a file that has tables with our names, or River's, and
// that we did not make: they are another program's. Tables of other names may
// well share a file with ours.
func refuseForeign(ctx context.Context, db *sql.DB) error {
	tables, err := queryAll(ctx, db, func(rows *sql.Rows, name *string) error { return rows.Scan(name) },
		"SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name")
	var sqliteErr *sqlite.Error
	if errors.As(err, &sqliteErr) && sqliteErr.Code() == sqlite3.SQLITE_NOTADB {
		return errors.New("the file is no SQLite database: choose another file")
	}
	if err != nil {
		return withCause(err)
	}
	ours, err := ourTables()
	if err != nil {
		return err
	}
	var taken []string
	for _, table := range tables {
		if table == "taskhost_migration" {
			return nil
		}
		if ours[table] || strings.HasPrefix(table, "river_") {
			taken = append(taken, table)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	const most = 3
	names := strings.Join(taken[:min(len(taken), most)], ", ")
	return fmt.Errorf("another program has tables in the file that Taskhost needs for itself (%s): choose another file", names)
}

// ourTables are the names of the tables that the migrations make.
func ourTables() (map[string]bool, error) {
	names := make(map[string]bool)
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		text, err := migrationFiles.ReadFile("migrations/" + entry.Name())
		if err != nil {
			return nil, err
		}
		for _, match := range createTable.FindAllStringSubmatch(string(text), -1) {
			names[match[1]] = true
		}
	}
	return names, nil
}
