package riverstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestStalled(t *testing.T) {
	now := time.Now()
	earlier, later := now.Add(-time.Second), now.Add(time.Second)
	modules := task.Node{Alive: true, Slots: map[task.Executor]int{task.Wasm: 1}}
	functions := task.Node{Alive: true, Slots: map[task.Executor]int{task.Async: 1}, Functions: []string{"f", "g"}}
	dead := modules
	dead.Alive = false
	drained := modules
	drained.State = task.NodeDrained
	for name, test := range map[string]struct {
		executor task.Executor
		name     string
		due      *time.Time
		status   task.Status
		nodes    []task.Node
		want     string
	}{
		"no node":               {task.Wasm, "m", &earlier, task.Pending, nil, "no node is running"},
		"a dead node":           {task.Wasm, "m", &earlier, task.Pending, []task.Node{dead}, "no node is running"},
		"one that can":          {task.Wasm, "m", &earlier, task.Pending, []task.Node{dead, functions, modules}, ""},
		"none for modules":      {task.Wasm, "m", &earlier, task.Pending, []task.Node{functions}, "none of the 1 nodes that are running runs modules"},
		"none with a function":  {task.Async, "h", &earlier, task.Pending, []task.Node{functions, modules}, "none of the 2 nodes that are running has the Go function h"},
		"one with the function": {task.Async, "g", &earlier, task.Pending, []task.Node{functions}, ""},
		"one that is drained":   {task.Wasm, "m", &earlier, task.Pending, []task.Node{drained, functions}, "the nodes that could run it are drained"},
		"one that is not":       {task.Wasm, "m", &earlier, task.Pending, []task.Node{drained, modules}, ""},
		"not its executor":      {task.Thread, "g", &earlier, task.Pending, []task.Node{functions}, "none of the 1 nodes"},
		"not due":               {task.Wasm, "m", &later, task.Pending, nil, ""},
		"running":               {task.Wasm, "m", nil, task.Running, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Stalled(&task.Task{Executor: test.executor, Name: test.name, Status: test.status, NextAttemptAt: test.due}, test.nodes, now)
			if test.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, test.want)
		})
	}
}
