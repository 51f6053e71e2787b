package riverstore

import (
	"fmt"
	"time"

	"github.com/taskhost/taskhost/task"
)

// Stalled says why a task that is due cannot start on any of the nodes, or
// nothing where one of them could run it.
func Stalled(t *task.Task, nodes []task.Node, now time.Time) string {
	if t.Status != task.Pending || t.NextAttemptAt == nil || t.NextAttemptAt.After(now) {
		return ""
	}
	alive, draining := 0, 0
	for i := range nodes {
		if !nodes[i].Alive {
			continue
		}
		alive++
		switch {
		case !nodes[i].Runs(t.Executor, t.Name):
		case nodes[i].State == task.NodeDraining || nodes[i].State == task.NodeDrained:
			draining++
		default:
			return ""
		}
	}
	switch {
	case alive == 0:
		return "no node is running: start one with 'taskhost serve'"
	case draining > 0:
		return "the nodes that could run it are drained: start another, or take that back with 'taskhost node undrain'"
	case t.Executor == task.Wasm:
		return fmt.Sprintf("none of the %d nodes that are running runs modules: start one with 'taskhost serve'", alive)
	default:
		return fmt.Sprintf("none of the %d nodes that are running has the Go function %s: start a program that registers it", alive, t.Name)
	}
}
