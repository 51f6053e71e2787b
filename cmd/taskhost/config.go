package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/sqlitestore"
)

func (a *app) configCommand() *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Look at the settings", Args: args(cobra.NoArgs), RunE: showHelp}
	show := &cobra.Command{
		Use:     "show",
		Short:   "Print each setting and where it came from",
		Example: "  TASKHOST_LISTEN=127.0.0.1:9000 taskhost config show",
		Args:    args(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return a.showConfig() },
	}
	serverFlags(show)
	remoteFlags(show)
	group.AddCommand(show)
	return group
}

type setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

func (a *app) showConfig() error {
	s := a.settings
	token := ""
	if s.Token != "" {
		token = "(set)" // a secret is not printed
	}
	rows := []setting{
		{Key: "database", Value: s.database()},
		{Key: "data_dir", Value: s.DataDir},
		{Key: "listen", Value: s.Listen},
		{Key: "log_format", Value: orAuto(s.LogFormat)},
		{Key: "log_level", Value: s.LogLevel},
		{Key: "max_concurrent_tasks", Value: orAuto(s.MaxConcurrentTasks)},
		{Key: "max_sync_threads", Value: orAuto(s.MaxSyncThreads)},
		{Key: "max_wasm_workers", Value: orAuto(s.MaxWasmWorkers)},
		{Key: "output", Value: s.Output},
		{Key: "server", Value: orAuto(s.Server)},
		{Key: "shutdown_timeout", Value: s.ShutdownTimeout.String()},
		{Key: "token", Value: token},
	}
	for i := range rows {
		rows[i].Origin = s.origins[rows[i].Key]
	}
	return a.print(rows, func(t *table) {
		t.row("SETTING", "VALUE", "FROM")
		for _, r := range rows {
			t.row(r.Key, r.Value, r.Origin)
		}
	})
}

// orAuto writes a zero as what it means: that the program decides.
func orAuto[T comparable](value T) string {
	var zero T
	if value == zero {
		return "auto"
	}
	return fmt.Sprint(value)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  taskhost version --output json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			out := struct {
				Version string `json:"version"`
			}{taskhost.Version()}
			return a.print(out, func(t *table) { t.row("taskhost " + out.Version) })
		},
	}
}

func (a *app) migrateCommand() *cobra.Command {
	group := &cobra.Command{Use: "migrate", Short: "Bring the database's tables up to date", Args: args(cobra.NoArgs), RunE: showHelp}
	for _, c := range []*cobra.Command{
		{Use: "up", Short: "Apply what is missing, as serve does at its start", Example: "  taskhost migrate up --database tasks.db"},
		{Use: "status", Short: "List the migrations of a database", Example: "  taskhost migrate status --output json"},
	} {
		c.Args = args(cobra.NoArgs)
		up := c.Use == "up"
		c.RunE = func(cmd *cobra.Command, _ []string) error { return a.migrate(cmd, up) }
		databaseFlag(c)
		group.AddCommand(c)
	}
	return group
}

func (a *app) migrate(cmd *cobra.Command, up bool) (err error) {
	path := a.settings.database()
	var migrations []sqlitestore.Migration
	if up {
		if err := a.settings.makeDataDir(); err != nil {
			return err
		}
		migrations, err = sqlitestore.Migrate(cmd.Context(), path)
	} else {
		migrations, err = sqlitestore.MigrationStatus(cmd.Context(), path)
	}
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

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }
