package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

// drainInterval is how often nodes are looked at that are waited for.
const drainInterval = 250 * time.Millisecond

func (a *app) nodeDrainCommand() *cobra.Command {
	var all, wait bool
	cmd := &cobra.Command{
		Use:   "drain NODE... | --all",
		Short: "Have nodes start nothing more",
		Long: `Have nodes start nothing more. What runs there goes on, and what comes is left to the
other nodes, or waits. With --wait the command ends when nothing runs there any more:
they can be stopped then without that anybody would notice.

A server that is started again is another node, which is not drained.`,
		Example: `  taskhost node drain web-1-4242-0a1b2c3d4e5f --wait
  taskhost node drain --all`,
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			nodes, err := c.chosenNodes(cmd.Context(), args, all)
			if err != nil {
				return err
			}
			if err := a.orderNodes(cmd.Context(), c, nodes, "drain"); err != nil || !wait {
				return err
			}
			return c.awaitDrained(cmd.Context(), nodes)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "all nodes that are alive")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until nothing runs there any more")
	return cmd
}

func (a *app) nodeUndrainCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "undrain NODE... | --all",
		Short:   "Have nodes start tasks again",
		Example: "  taskhost node undrain --all",
		RunE: a.remote(func(cmd *cobra.Command, args []string, c *client) error {
			nodes, err := c.chosenNodes(cmd.Context(), args, all)
			if err != nil {
				return err
			}
			return a.orderNodes(cmd.Context(), c, nodes, "undrain")
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "all nodes that are alive")
	return cmd
}

// chosenNodes are those that are named, or all that are alive.
func (c *client) chosenNodes(ctx context.Context, args []string, all bool) ([]string, error) {
	if all == (len(args) > 0) {
		return nil, usagef("name nodes, or give --all, and not both: 'taskhost node list' lists them")
	}
	if !all {
		return args, nil
	}
	nodes, err := c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		if nodes[i].Alive {
			args = append(args, nodes[i].ID)
		}
	}
	return args, nil
}

// orderNodes asks something of nodes, and lists them.
func (a *app) orderNodes(ctx context.Context, c *client, ids []string, order string) error {
	for _, id := range ids {
		if err := c.do(ctx, http.MethodPost, "/v1/nodes/"+url.PathEscape(id)+"/"+order, "", nil, nil, nil); err != nil {
			return err
		}
	}
	nodes, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	nodes = slices.DeleteFunc(nodes, func(n task.Node) bool { return !slices.Contains(ids, n.ID) })
	return a.print(nodes, func(t *table) { fillNodes(t, nodes) })
}

// awaitDrained returns when nothing runs on nodes, or they are gone.
func (c *client) awaitDrained(ctx context.Context, ids []string) error {
	ticker := time.NewTicker(drainInterval)
	defer ticker.Stop()
	for {
		nodes, err := c.nodes(ctx)
		if err != nil {
			return err
		}
		busy := 0
		for i := range nodes {
			if !slices.Contains(ids, nodes[i].ID) {
				continue
			}
			switch nodes[i].State {
			case task.NodeDraining:
				busy++
			case task.NodeAlive:
				return fmt.Errorf("node %s is not drained any more: somebody took that back", nodes[i].ID)
			}
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}
	}
}
