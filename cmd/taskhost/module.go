package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/modules"
)

func (a *app) moduleCommand() *cobra.Command {
	group := &cobra.Command{Use: "module", Short: "Push, look at and release modules", Args: args(cobra.NoArgs), RunE: showHelp}
	group.AddCommand(
		&cobra.Command{
			Use:   "push NAME FILE.wasm",
			Short: "Upload a module as the next version of its name, and make it live",
			Long: `Upload a module as the next version of its name, and make it live.

A guest declares its tasks itself. Any other program that is built as a WASI
command becomes one task, which is called NAME: it reads its arguments from
standard input, and its result is what it writes to standard output.`,
			Example: "  taskhost module push thumbnail thumbnail.wasm",
			Args:    args(cobra.ExactArgs(2)),
			RunE:    a.remote(a.modulePush),
		},
		&cobra.Command{
			Use:     "list",
			Short:   "List modules with their live versions",
			Example: "  taskhost module list --output json",
			Args:    args(cobra.NoArgs),
			RunE:    a.remote(a.moduleList),
		},
		&cobra.Command{
			Use:     "show NAME",
			Short:   "Show a module's versions and what they declare",
			Example: "  taskhost module show thumbnail",
			Args:    args(cobra.ExactArgs(1)),
			RunE:    a.remote(a.moduleShow),
		},
		&cobra.Command{
			Use:   "release NAME[@VERSION]",
			Short: "Have a module run again that is in quarantine",
			Long: `Have a module run again that is in quarantine, on all nodes.

A node sets a version of a module aside when its sandbox workers have died five times
in a row, and its tasks wait. They go on within half a minute of the release; where
workers die of it again, it is set aside again.`,
			Example: "  taskhost module release thumbnail@3",
			Args:    args(cobra.ExactArgs(1)),
			RunE:    a.remote(a.moduleRelease),
		},
	)
	for _, c := range group.Commands() {
		remoteFlags(c)
	}
	return group
}

func (a *app) modulePush(cmd *cobra.Command, args []string, c *client) error {
	wasm, err := readModule(args[1])
	if err != nil {
		return err
	}
	version, err := c.pushModule(cmd.Context(), args[0], wasm)
	if err != nil {
		return err
	}
	return a.print(version, func(t *table) {
		t.row(fmt.Sprintf("module %s version %d is live, %s, sha256 %.12s", version.Module, version.Version, sizeText(version.Bytes), version.Digest))
		for _, def := range version.Definitions {
			t.row("  " + def.Name)
		}
		if version.Note != "" {
			t.row("note: " + version.Note)
		}
	})
}

// readModule reads a file that may be a module, and not more than one may be.
func readModule(path string) (wasm []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	wasm, err = io.ReadAll(io.LimitReader(file, modules.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(wasm) > modules.MaxBytes {
		return nil, fmt.Errorf("%s is larger than a module may be, %s", path, sizeText(modules.MaxBytes))
	}
	return wasm, nil
}

func (a *app) moduleList(cmd *cobra.Command, _ []string, c *client) error {
	versions, err := c.modules(cmd.Context())
	if err != nil {
		return err
	}
	return a.print(versions, func(t *table) {
		t.row("MODULE", "LIVE", "SIZE", "SHA256", "PUSHED", "TASKS")
		for _, v := range versions {
			t.row(v.Module, v.Version, sizeText(v.Bytes), v.Digest[:12], timeText(v.CreatedAt), names(v))
		}
		quarantineRows(t, versions)
	})
}

// quarantineRows says which versions do not run, where and why.
func quarantineRows(t *table, versions []modules.Version) {
	for i := range versions {
		for _, q := range versions[i].Quarantine {
			t.row()
			t.row(fmt.Sprintf("%s@%d is in quarantine on node %s since %s: %s", versions[i].Module, versions[i].Version, q.Node, timeText(q.Since), q.Reason))
		}
	}
}

func (a *app) moduleRelease(cmd *cobra.Command, args []string, c *client) error {
	name, number, one := strings.Cut(args[0], "@")
	version := 0
	if one {
		var err error
		if version, err = strconv.Atoi(number); err != nil || version < 1 {
			return usagef("%q is no version: give NAME@VERSION, such as thumbnail@3, or NAME for all versions", number)
		}
	}
	released, err := c.release(cmd.Context(), name, version)
	if err != nil {
		return err
	}
	return a.print(map[string][]int{"released": released}, func(t *table) {
		for _, version := range released {
			t.row(fmt.Sprintf("released %s@%d", name, version))
		}
		if len(released) == 0 {
			t.row(fmt.Sprintf("nothing of %s is in quarantine", args[0]))
		}
	})
}

func (a *app) moduleShow(cmd *cobra.Command, args []string, c *client) error {
	versions, err := c.versions(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	return a.print(versions, func(t *table) {
		t.row("VERSION", "LIVE", "SIZE", "SHA256", "PUSHED", "TASKS")
		for _, v := range versions {
			live := ""
			if v.Live {
				live = "live"
			}
			t.row(v.Version, live, sizeText(v.Bytes), v.Digest[:12], timeText(v.CreatedAt), names(v))
		}
		quarantineRows(t, versions)
		for _, v := range versions {
			if !v.Live {
				continue
			}
			t.row()
			t.row("TASK", "RETRIES", "PRIORITY", "TIMEOUT", "MEMORY", "FUEL", "RESET", "DESCRIPTION")
			for _, def := range v.Definitions {
				o := def.Options
				t.row(def.Name, o.Retries, o.Priority, o.Timeout, sizeText(o.Memory), fuelText(o.Fuel), o.Reset, def.Description)
			}
		}
	})
}

// fuelText writes a limit of fuel, of which 0 is none.
func fuelText(units int64) string {
	if units == 0 {
		return "unlimited"
	}
	return strconv.FormatInt(units, 10)
}

func names(v modules.Version) string {
	out := make([]string, len(v.Definitions))
	for i := range v.Definitions {
		out[i] = v.Definitions[i].Name
	}
	return strings.Join(out, ", ")
}
