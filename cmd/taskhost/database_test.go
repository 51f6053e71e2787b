package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedacted(t *testing.T) {
	for address, want := range map[string]string{
		"/var/lib/tasks.db":                               "/var/lib/tasks.db",
		"tasks:secret@x.db":                               "tasks:secret@x.db", // a file's name
		"postgres://host":                                 "postgres://host",
		"postgres:///db":                                  "postgres:///db",
		"postgres://u@h:5432/db?sslmode=disable":          "postgres://u@h:5432/db?sslmode=disable",
		"postgres://u:secret@h/db":                        "postgres://u:***@h/db",
		"postgresql://u:secret@h:5432/db?sslmode=disable": "postgresql://u:***@h:5432/db?sslmode=disable",
		"postgres://u:s%40ecret@h/db":                     "postgres://u:***@h/db",
		"postgres://u:@h/db":                              "postgres://u:***@h/db",
		"postgres://:secret@h/db":                         "postgres://:***@h/db",
		"postgres://u:secret@[::1]:5432/db":               "postgres://u:***@[::1]:5432/db",
		"postgres://u:secret@h1:1,h2:2/db":                "postgres://u:***@h1:1,h2:2/db",
		"postgres://h/db?user=u&password=secret&a=b":      "postgres://h/db?user=u&password=***&a=b",
		"postgres://h/db?sslpassword=secret":              "postgres://h/db?sslpassword=***",
		"postgres://h/db?p%61ssword=secret":               "postgres://h/db?p%61ssword=***",
		"postgres://h/db?%zz=secret":                      "postgres://h/db?%zz=***",
		"postgres://u:pa@secret@h/db":                     "postgres://u:***@h/db",
		"postgres://u:pa:secret@h/db":                     "postgres://u:***@h/db",
		"postgres://u:12/secret@h/db":                     "postgres://u:***@h/db",
		"postgres://u:12#secret@h/db":                     "postgres://u:***@h/db",
		"postgres://u:12?secret@h/db":                     "postgres://***",
		"postgres://u:secret":                             "postgres://***",
		"postgres://u:secret/db":                          "postgres://***",
		"postgres://h/db?password=sec@ret":                "postgres://***",
		"postgres://h/db?password=secret#x":               "postgres://***",
	} {
		require.Equal(t, want, redacted(address), address)
	}
}

func TestDatabasesThatAreRefused(t *testing.T) {
	const form = "write the address of a Postgres database as postgres://user:password@host:5432/database"
	for database, want := range map[string]string{
		"":                                "",
		"tasks.db":                        "",
		"./a dir/tasks.db":                "",
		`C:/tasks.db`:                     "",
		`C:\\tasks.db`:                    "",
		"a=b.db":                          "",
		"postgres://u:secret@h/db":        "",
		"postgresql://h":                  "",
		"mysql://u:secret@h/db":           "mysql:// is not supported: tasks are kept in a SQLite file, given by its path, or in Postgres",
		"redis://:secret@h":               "redis:// is not supported",
		"mongodb+srv://u:secret@h":        "mongodb+srv:// is not supported",
		"sqlite:///x":                     "for a SQLite file give its path alone, such as tasks.db or /var/lib/taskhost/tasks.db, without sqlite:",
		"sqlite3:x.db":                    "without sqlite3:",
		"file:x.db?mode=rw":               "without file:",
		"POSTGRES://u:secret@h/db":        form,
		"postgresql+asyncpg://u:secret@h": form,
		"jdbc:postgresql://h/db":          form,
		"pgsql://h":                       form,
		"postgres:/h":                     form,
		"host=h password=secret":          form,
		"dbname=x":                        form,
	} {
		err := (&settings{Database: database}).validateDatabase()
		if want == "" {
			require.NoError(t, err, database)
			continue
		}
		require.ErrorContains(t, err, want, database)
		require.NotContains(t, err.Error(), "secret")
		require.ErrorAs(t, err, new(*usageError))
	}
}

func TestASchemaIsForPostgres(t *testing.T) {
	s := &settings{Database: "tasks.db", Schema: "mine", origins: map[string]string{"schema": originFlag}}
	require.ErrorContains(t, s.validateDatabase(), "schema: SQLite has none: give a Postgres database too")
	s.origins["schema"] = originEnv // which may be meant for other calls
	require.NoError(t, s.validateDatabase())
	s.Database, s.origins["schema"] = "postgres://h/db", originFlag
	require.NoError(t, s.validateDatabase())
}

// TestTheDemoLeavesYourDatabaseAlone unless the call itself names it.
func TestTheDemoLeavesYourDatabaseAlone(t *testing.T) {
	for origin, want := range map[string]string{originEnv: "data/taskhost.db", "taskhost.yaml": "data/taskhost.db", originFlag: "postgres://h/db"} {
		s := &settings{Database: "postgres://h/db", Schema: "live", origins: map[string]string{"database": origin, "schema": originEnv}}
		demo := s.forDemo("data")
		require.Equal(t, want, demo.database(), origin)
		require.Equal(t, "taskhost_demo", demo.Schema)
		require.True(t, demo.MigrateAtStart)
		require.Equal(t, "postgres://h/db", s.Database)
	}
}

func TestOneSentence(t *testing.T) {
	for text, want := range map[string]string{
		"it failed":                 "it failed",
		"unknown flag\nSee --help.": "unknown flag\nSee --help.",
		"connect:\n\ta: refused\n\ta: refused: is it there?": "connect: a: refused: is it there?",
		"connect:\n\ta: refused\n\tb: refused":               "connect: a: refused; b: refused",
	} {
		require.Equal(t, want, oneSentence(text))
	}
}
