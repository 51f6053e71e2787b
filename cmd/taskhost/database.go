package main

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost"
)

func databaseFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	settingFlag(flags, "database", "SQLite file, or postgres://user@host:5432/database; the password is best set by TASKHOST_DATABASE or PGPASSWORD (default taskhost.db in the data directory)")
	settingFlag(flags, "schema", "schema of the tables in Postgres (default taskhost)")
}

// openFlags are for commands that open a database's tasks.
func openFlags(cmd *cobra.Command) {
	databaseFlags(cmd)
	flags := cmd.Flags()
	settingFlag(flags, "encrypt-key-file", "file with the keys that seal what is private, one a line: the first seals, all open ('taskhost key new' makes one)")
	flags.Bool("allow-unsafe-database", false, "open a Postgres that may lose what it has committed, with a warning")
}

// database is the file or the address of where to keep tasks.
func (s *settings) database() string {
	if s.Database != "" {
		return s.Database
	}
	return filepath.Join(s.DataDir, "taskhost.db")
}

func (s *settings) usesPostgres() bool { return isPostgres(s.Database) }

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// place names the database for people.
func (s *settings) place() string {
	if s.usesPostgres() {
		return redacted(s.Database) + ", schema " + s.Schema
	}
	return s.database()
}

// hostConfig is what the settings say of a host.
func (s *settings) hostConfig(logger *slog.Logger) (taskhost.Config, error) {
	keys, err := s.keys()
	retention, _ := s.Retention.retention() // validate has tried it
	events, _ := s.Events.retention()
	return taskhost.Config{
		Database:            s.database(),
		Schema:              s.Schema,
		NoMigrate:           !s.MigrateAtStart,
		EncryptArgsKeys:     keys,
		AllowUnsafeDatabase: s.AllowUnsafe,
		CacheDir:            filepath.Join(s.DataDir, "cache"),
		Isolation:           taskhost.Isolation(s.Isolation),
		RequireIsolation:    s.RequireIsolation,
		Logger:              logger,
		MaxConcurrentTasks:  s.MaxConcurrentTasks,
		MaxSyncThreads:      s.MaxSyncThreads,
		MaxWasmWorkers:      s.MaxWasmWorkers,
		Limits:              s.Limits.ceilings(),
		Retention:           retention,
		EventRetention:      events,
		ModuleVersionsKept:  s.ModuleVersionsKept,
	}, err
}

var (
	schemePattern = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.:-]*):/`)
	sqliteURI     = regexp.MustCompile(`(?i)^(sqlite3?|file):`)
	// libpqPattern is a list of key=value, which would be taken for a file.
	libpqPattern = regexp.MustCompile(`(^|\s)(host|hostaddr|port|user|password|dbname|service|sslmode)\s*=`)
)

const postgresForm = "postgres://user:password@host:5432/database"

// validateDatabase refuses what somebody took from another program: it would be
// the name of a file. It never repeats more than the scheme, since an address
// may hold a password.
func (s *settings) validateDatabase() error {
	if s.usesPostgres() {
		return nil
	}
	scheme := ""
	if found := schemePattern.FindStringSubmatch(s.Database); found != nil && len(found[1]) > 1 { // else C:/
		scheme = found[1]
	}
	lower := strings.ToLower(scheme)
	switch {
	case sqliteURI.MatchString(s.Database):
		return usagef("database: for a SQLite file give its path alone, such as tasks.db or /var/lib/taskhost/tasks.db, without %s:", sqliteURI.FindStringSubmatch(s.Database)[1])
	case libpqPattern.MatchString(s.Database), strings.Contains(lower, "postgres"), lower == "pg", lower == "pgsql":
		return usagef("database: write the address of a Postgres database as %s", postgresForm)
	case scheme != "":
		return usagef("database: %s:// is not supported: tasks are kept in a SQLite file, given by its path, or in Postgres, as %s", scheme, postgresForm)
	case s.origins["schema"] == originFlag:
		return usagef("schema: SQLite has none: give a Postgres database too, with --database %s", postgresForm)
	}
	return nil
}

// hidden stands for a password.
const hidden = "***"

var hostsPattern = regexp.MustCompile(`^(\[[0-9A-Fa-f:.%]*\]|[^:\[\]]*)(:\d{0,5})?(,(\[[0-9A-Fa-f:.%]*\]|[^:\[\]]*)(:\d{0,5})?)*$`)

// redacted is a database to be shown: without the password that its address may
// hold, however badly it is written.
func redacted(database string) string {
	if !isPostgres(database) {
		return database
	}
	scheme, rest, _ := strings.Cut(database, "://")
	scheme += "://"
	rest, query, asked := strings.Cut(rest, "?")
	if strings.ContainsAny(query, "@#") {
		return scheme + hidden // the '?' was a part of the password
	}
	user, place := "", rest
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		name, _, secret := strings.Cut(rest[:at], ":")
		user, place = name+"@", rest[at+1:]
		if secret {
			user = name + ":" + hidden + "@"
		}
	}
	hosts, _, _ := strings.Cut(place, "/")
	if !hostsPattern.MatchString(hosts) {
		return scheme + hidden // there is a password without a host
	}
	if asked {
		place += "?" + redactedQuery(query)
	}
	return scheme + user + place
}

func redactedQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		key, _, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(key)
		if err != nil || strings.Contains(strings.ToLower(plain), "password") {
			parts[i] = key + "=" + hidden
		}
	}
	return strings.Join(parts, "&")
}
