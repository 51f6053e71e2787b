package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestFilterIDs(t *testing.T) {
	at := time.UnixMilli(0x0123456789ab).UTC()
	first := task.ID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab}
	next := task.ID{0x01, 0x23, 0x45, 0x67, 0x89, 0xac}
	highest := "ffffffff-ffff-ffff-ffff-ffffffffffff"
	for name, test := range map[string]struct {
		filter   task.Filter
		from, to task.ID
	}{
		"none":                 {task.Filter{Name: "a"}, task.ID{}, task.ID{}},
		"after":                {task.Filter{CreatedAfter: at}, first, task.ID{}},
		"after, within a ms":   {task.Filter{CreatedAfter: at.Add(time.Microsecond)}, next, task.ID{}},
		"before":               {task.Filter{CreatedBefore: at}, task.ID{}, first},
		"before, within a ms":  {task.Filter{CreatedBefore: at.Add(time.Microsecond)}, task.ID{}, next},
		"before all":           {task.Filter{CreatedBefore: time.Unix(-1, 0)}, task.ID{}, task.ID{5: 1}},
		"a prefix":             {task.Filter{IDPrefix: "01234567-89ab"}, first, next},
		"one in upper case":    {task.Filter{IDPrefix: "01234567-89AB-"}, first, next},
		"half a byte":          {task.Filter{IDPrefix: "012"}, task.ID{0x01, 0x20}, task.ID{0x01, 0x30}},
		"a whole id":           {task.Filter{IDPrefix: first.String()}, first, task.ID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 15: 1}},
		"the last":             {task.Filter{IDPrefix: "f"}, task.ID{0xf0}, task.ID{}},
		"the very last":        {task.Filter{IDPrefix: highest}, task.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, task.ID{}},
		"what is narrower":     {task.Filter{IDPrefix: "01", CreatedAfter: at}, first, task.ID{0x02}},
		"what is narrower too": {task.Filter{IDPrefix: "01234567-89ab", CreatedAfter: time.UnixMilli(1), CreatedBefore: at.Add(time.Hour)}, first, next},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, test.filter.Validate())
			from, to, err := test.filter.IDs()
			require.NoError(t, err)
			require.Equal(t, test.from, from)
			require.Equal(t, test.to, to)
		})
	}
	for _, prefix := range []string{"x", "0123456-", "01234567x", "012345678", first.String() + "0", "01234567-89ab-\x00"} {
		filter := task.Filter{IDPrefix: prefix}
		var invalid *task.InvalidError
		require.ErrorAs(t, filter.Validate(), &invalid, prefix)
		require.Equal(t, "id_prefix", invalid.Field)
	}
}

func TestFilterInJSON(t *testing.T) {
	text, err := json.Marshal(task.Filter{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))
	want := task.Filter{
		Statuses: []task.Status{task.Failed}, Sources: []task.Source{task.Child}, Name: "a", Module: "m", Tags: map[string]string{"k": "v"},
		CreatedAfter: time.Unix(1, 0).UTC(), CreatedBefore: time.Unix(2, 0).UTC(), IDPrefix: "0", Unresolved: true,
	}
	text, err = json.Marshal(want)
	require.NoError(t, err)
	require.JSONEq(t, `{"status":["failed"],"source":["task"],"name":"a","module":"m","tags":{"k":"v"},
		"created_after":"1970-01-01T00:00:01Z","created_before":"1970-01-01T00:00:02Z","id_prefix":"0","unresolved":true}`, string(text))
	var read task.Filter
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, want, read)
}

func TestNodeSettles(t *testing.T) {
	busy := map[task.Executor]int{task.Wasm: 0, task.Async: 1}
	for want, node := range map[task.NodeState]task.Node{
		task.NodeAlive: {Alive: true, Running: busy},
		task.NodeDead:  {Running: busy},
	} {
		node.Settle(false, false)
		require.Equal(t, want, node.State)
	}
	for _, test := range []struct {
		alive, stopped bool
		running        map[task.Executor]int
		want           task.NodeState
	}{
		{true, false, nil, task.NodeDraining},
		{true, true, busy, task.NodeDraining},
		{true, true, map[task.Executor]int{task.Wasm: 0}, task.NodeDrained},
		{false, true, nil, task.NodeDead},
	} {
		node := task.Node{Alive: test.alive, Running: test.running}
		node.Settle(true, test.stopped)
		require.Equal(t, test.want, node.State)
	}
}
