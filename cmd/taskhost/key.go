package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/sqlitestore"
)

func (a *app) keyCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "key",
		Short: "Make, replace and look at the keys that seal what is private",
		Args:  args(cobra.NoArgs),
		RunE:  showHelp,
	}
	status := &cobra.Command{
		Use:   "status",
		Short: "Count what is sealed under which key, and what is in clear",
		Long: `Count what the database holds under each key, and in clear. Keys are shown by
their ids, which tell nothing about them.

All tasks are read, which takes a while where there are many.`,
		Example: "  taskhost key status --encrypt-key-file keys --database tasks.db",
		Args:    args(cobra.NoArgs),
		RunE:    a.withHost(a.keyStatus),
	}
	reencrypt := &cobra.Command{
		Use:     "reencrypt",
		Aliases: []string{"rotate"},
		Short:   "Seal what is stored under the first key",
		Long: `Seal all that the database holds under the first of the keys: what is sealed under
others, and what is in clear. It works on a few rows at a time, while servers run,
and can be broken off and begun again.

To replace a key: put a new one before it, restart the servers, run this command,
take the old one out. Where several servers share a database, put the new one behind
the old one first, restart all of them, and only then move it to the front.

Once nothing is sealed under a key any more, a start does not ask for it again.`,
		Example: "  taskhost key reencrypt --encrypt-key-file keys --database tasks.db",
		Args:    args(cobra.NoArgs),
		RunE:    a.withHost(a.keyReencrypt),
	}
	forget := &cobra.Command{
		Use:   "forget ID",
		Short: "Have a database do without a key that is lost",
		Long: `Have the database start without a key that is lost, named by its id. What is sealed
under it stays as it is and cannot be read: tasks that wait with such arguments fail,
and keep them. Should the key be found, give it behind the first: all is there again.

Where that was the only key, idempotency keys of before count as used for other
arguments.`,
		Example: "  taskhost key forget 3c0f7ad5a1b2c3d4 --database tasks.db",
		Args:    args(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.keyForget(cmd.Context(), args[0]) },
	}
	openFlags(status)
	openFlags(reencrypt)
	databaseFlags(forget)
	group.AddCommand(&cobra.Command{
		Use:   "new",
		Short: "Make a key",
		Long: `Make a key, and print it: the URL-safe base64 of 32 random bytes.

Keep it where the database is not. Whoever has both can read everything; without the
key nobody can, and that includes you.`,
		Example: "  (umask 077; taskhost key new > keys)\n  taskhost serve --encrypt-key-file keys",
		Args:    args(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return a.keyNew() },
	}, status, reencrypt, forget)
	return group
}

func (a *app) keyNew() error {
	out := struct {
		Key string `json:"key"`
	}{taskhost.NewKey()}
	return a.print(out, func(t *table) { t.row(out.Key) })
}

// withHost gives a command a host that starts nothing.
func (a *app) withHost(run func(ctx context.Context, h *taskhost.Host) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) (err error) {
		config, err := a.settings.hostConfig(slog.New(warnings{a.logger().Handler()}))
		if err != nil {
			return err
		}
		// There is nothing to compile, and nothing to run.
		config.CacheDir, config.Isolation, config.RequireIsolation = "", taskhost.InProcess, false
		h, err := taskhost.New(cmd.Context(), config)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Stop(context.WithoutCancel(cmd.Context()))) }()
		return run(cmd.Context(), h)
	}
}

// warnings leaves out what is said of a server that starts and stops.
type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (h warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// keyRow is what is stored under a key.
type keyRow struct {
	KeyID    string `json:"key_id"`
	State    string `json:"state"`
	Args     int64  `json:"arguments"`
	Results  int64  `json:"results"`
	Errors   int64  `json:"errors"`
	Attempts int64  `json:"attempts"`
	LogLines int64  `json:"log_lines"`
}

func (a *app) keyStatus(ctx context.Context, h *taskhost.Host) error {
	uses, err := h.KeyUse(ctx)
	if err != nil {
		return err
	}
	given := h.KeyIDs()
	for _, id := range given {
		if !slices.ContainsFunc(uses, func(u taskhost.KeyUse) bool { return u.KeyID == id }) {
			uses = append(uses, taskhost.KeyUse{KeyID: id})
		}
	}
	rows := make([]keyRow, len(uses))
	for i, u := range uses {
		rows[i] = keyRow{u.KeyID, keyState(u.KeyID, given), u.Args, u.Results, u.Errors, u.Attempts, u.LogLines}
	}
	return a.print(rows, func(t *table) {
		t.row("KEY", "STATE", "ARGUMENTS", "RESULTS", "ERRORS", "ATTEMPTS", "LOG LINES")
		for _, r := range rows {
			t.row(orDash(r.KeyID), r.State, r.Args, r.Results, r.Errors, r.Attempts, r.LogLines)
		}
	})
}

func keyState(id string, given []string) string {
	switch i := slices.Index(given, id); {
	case id == "":
		return "in clear"
	case i == 0:
		return "seals"
	case i > 0:
		return "opens"
	default:
		return "missing"
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// resealedOutput is the JSON form of what came of it.
type resealedOutput struct {
	Done       int64            `json:"done"`
	Left       int64            `json:"left"`
	Unreadable map[string]int64 `json:"unreadable"`
	Unused     []string         `json:"unused_keys"`
}

func (a *app) keyReencrypt(ctx context.Context, h *taskhost.Host) error {
	bar := newProgress(a.stderr, 0)
	found, err := h.Reencrypt(ctx, func(done, total int64) {
		bar.total = int(total)
		bar.show(int(done), "sealed again")
	})
	bar.clear()
	if err != nil {
		return err
	}
	out := resealedOutput{found.Done, found.Left, found.Unreadable, append([]string{}, found.Unused...)}
	err = a.print(out, func(t *table) {
		t.row(fmt.Sprintf("sealed under the key %s: %d", h.KeyIDs()[0], out.Done))
		for _, id := range out.Unused {
			t.row("the key " + id + " is not needed any more: take it out of the settings of every server")
		}
	})
	if err != nil {
		return err
	}
	if len(out.Unreadable) > 0 {
		var parts []string
		for _, id := range slices.Sorted(maps.Keys(out.Unreadable)) {
			parts = append(parts, fmt.Sprintf("%d under the key %s", out.Unreadable[id], orDash(id)))
		}
		return fmt.Errorf("some of what is stored could not be opened and stays as it is: %s: give those keys too; where they were given, it was changed", strings.Join(parts, ", "))
	}
	if out.Left > 0 {
		return fmt.Errorf("%d are not under that key, since a server seals with another one: restart it with the new key first, and run this again", out.Left)
	}
	return nil
}

func (a *app) keyForget(ctx context.Context, id string) error {
	var err error
	if a.settings.usesPostgres() {
		err = pgstore.ForgetKey(ctx, pgstore.Config{URL: a.settings.Database, Schema: a.settings.Schema}, id)
	} else {
		err = sqlitestore.ForgetKey(ctx, a.settings.database(), id)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "the database does without the key %s now\n", id)
	return nil
}
