package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/taskhost/taskhost"
)

// app is what every command shares.
type app struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	// settings are loaded before a command runs.
	settings *settings
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "taskhost",
		Short:         "Run background tasks in a WebAssembly sandbox",
		Version:       taskhost.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          args(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			a.settings, err = loadSettings(cmd.Flags(), a.environ)
			return err
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w\nSee '%s --help'.", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.String("config", "", "file to read settings from (default ./taskhost.yaml, if it exists)")
	settingFlag(flags, "data-dir", "directory of the database, caches and the first token")
	settingFlag(flags, "log-level", "debug, info, warn or error")
	settingFlag(flags, "log-format", "text or json (default text on a terminal, else json)")
	settingFlag(flags, "output", "table or json")

	root.AddCommand(
		a.demoCommand(), a.serveCommand(), a.runCommand(),
		a.moduleCommand(), a.taskCommand(), a.historyCommand(), a.nodeCommand(),
		a.keyCommand(), a.migrateCommand(), a.configCommand(), a.versionCommand(),
		a.benchCommand(),
	)
	return root
}

// settingFlag adds a flag for a setting. Its default is shown by config show.
func settingFlag(flags *pflag.FlagSet, name, usage string) {
	flags.String(name, "", usage)
}

// args wraps a check of arguments so that its error counts as usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w\nUsage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// logger writes to standard error: for people where they are looking, else
// JSON.
func (a *app) logger() *slog.Logger {
	file, ok := a.stderr.(*os.File)
	terminal := ok && isatty.IsTerminal(file.Fd())
	level := a.settings.level()
	if a.settings.LogFormat == "json" || (a.settings.LogFormat == "" && !terminal) {
		return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !terminal}))
}
