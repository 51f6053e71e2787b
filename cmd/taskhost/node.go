package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

func (a *app) nodeCommand() *cobra.Command {
	group := &cobra.Command{Use: "node", Short: "Look at the processes that run tasks, and drain them", Args: args(cobra.NoArgs), RunE: showHelp}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the processes that work the server's database",
		Long: `List the processes that work the server's database, and those that died lately.

STATE is alive, draining, drained or dead: a node that is draining starts nothing more,
and is drained once nothing runs there. RUNNING is how many attempts a process runs, of how many it could, for each
executor. FUNCTIONS are the Go functions that it has; modules run wherever there
are slots for wasm.`,
		Example: "  taskhost node list --output json",
		Args:    args(cobra.NoArgs),
		RunE:    a.remote(a.nodeList),
	}
	group.AddCommand(list, a.nodeDrainCommand(), a.nodeUndrainCommand())
	for _, c := range group.Commands() {
		remoteFlags(c)
	}
	return group
}

func (a *app) nodeList(cmd *cobra.Command, _ []string, c *client) error {
	nodes, err := c.nodes(cmd.Context())
	if err != nil {
		return err
	}
	return a.print(nodes, func(t *table) { fillNodes(t, nodes) })
}

func fillNodes(t *table, nodes []task.Node) {
	t.row("NODE", "STATE", "VERSION", "SINCE", "SEEN", "RUNNING", "FUNCTIONS")
	for _, n := range nodes {
		t.row(n.ID, n.State, n.Version, timeText(n.StartedAt), timeText(n.SeenAt), slotsText(n), short(strings.Join(n.Functions, ", "), 60))
	}
}

// slotsText says how many attempts a node runs, of how many it could.
func slotsText(n task.Node) string {
	var parts []string
	for _, executor := range slices.Sorted(maps.Keys(n.Slots)) {
		if slots := n.Slots[executor]; slots > 0 {
			parts = append(parts, fmt.Sprintf("%s %d/%d", executor, n.Running[executor], slots))
		}
	}
	return strings.Join(parts, ", ")
}
