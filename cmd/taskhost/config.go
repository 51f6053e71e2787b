package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost"
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
	keys := ""
	if len(s.EncryptKeys) > 0 {
		keys = "(set)"
	}
	rows := []setting{
		{Key: "database", Value: redacted(s.database())},
		{Key: "data_dir", Value: s.DataDir},
		{Key: "allow_unsafe_database", Value: strconv.FormatBool(s.AllowUnsafe)},
		{Key: "encrypt_key_file", Value: s.EncryptKeyFile},
		{Key: "encrypt_keys", Value: keys},
		{Key: eventsRetentionKey, Value: s.Events.Retention},
		{Key: "isolation", Value: s.Isolation},
	}
	rows = append(rows, s.Limits.rows()...)
	rows = append(rows, []setting{
		{Key: "listen", Value: s.Listen},
		{Key: "log_format", Value: orAuto(s.LogFormat)},
		{Key: "log_level", Value: s.LogLevel},
		{Key: "max_concurrent_tasks", Value: orAuto(s.MaxConcurrentTasks)},
		{Key: "max_sync_threads", Value: orAuto(s.MaxSyncThreads)},
		{Key: "max_wasm_workers", Value: orAuto(s.MaxWasmWorkers)},
		{Key: "migrate_at_start", Value: strconv.FormatBool(s.MigrateAtStart)},
		{Key: "module_versions_kept", Value: orAuto(s.ModuleVersionsKept)},
		{Key: "output", Value: s.Output},
		{Key: "require_isolation", Value: strconv.FormatBool(s.RequireIsolation)},
	}...)
	rows = append(rows, s.Retention.rows()...)
	rows = append(rows, []setting{
		{Key: "schema", Value: s.Schema},
		{Key: "server", Value: orAuto(s.Server)},
		{Key: "shutdown_timeout", Value: s.ShutdownTimeout.String()},
		{Key: "token", Value: token},
	}...)
	for i := range rows {
		rows[i].Origin = s.origins[rows[i].Key]
		if rows[i].Key == retentionKey {
			rows[i].Origin = s.origins[retentionAll]
		}
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

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }
