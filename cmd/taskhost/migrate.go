package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/sqlitestore"
)

func (a *app) migrateCommand() *cobra.Command {
	group := &cobra.Command{Use: "migrate", Short: "Bring the database's tables up to date", Args: args(cobra.NoArgs), RunE: showHelp}
	for _, c := range []*cobra.Command{
		{
			Use:   "up",
			Short: "Apply what is missing, as serve does at its start",
			Example: `  taskhost migrate up --database tasks.db
  PGPASSWORD=secret taskhost migrate up --database postgres://owner@db.example/tasks`,
		},
		{Use: "status", Short: "List the migrations of a database", Example: "  taskhost migrate status --output json"},
	} {
		c.Args = args(cobra.NoArgs)
		up := c.Use == "up"
		c.RunE = func(cmd *cobra.Command, _ []string) error { return a.migrate(cmd.Context(), up) }
		databaseFlags(c)
		group.AddCommand(c)
	}
	return group
}

func (a *app) migrate(ctx context.Context, up bool) error {
	look := a.settings.migrateSQLite
	if a.settings.usesPostgres() {
		look = a.settings.migratePostgres
	}
	migrations, err := look(ctx, up)
	if err != nil {
		return err
	}
	return a.print(migrations, func(t *table) {
		t.row("VERSION", "NAME", "APPLIED")
		for _, m := range migrations {
			t.row(m.Version, m.Name, m.Applied)
		}
	})
}

func (s *settings) migratePostgres(ctx context.Context, up bool) ([]riverstore.Migration, error) {
	do := pgstore.MigrationStatus
	if up {
		do = pgstore.Migrate
	}
	return do(ctx, pgstore.Config{URL: s.Database, Schema: s.Schema})
}

func (s *settings) migrateSQLite(ctx context.Context, up bool) ([]riverstore.Migration, error) {
	do := sqlitestore.MigrationStatus
	if up {
		if err := s.makeDataDir(); err != nil {
			return nil, err
		}
		do = sqlitestore.Migrate
	}
	return do(ctx, s.database())
}
