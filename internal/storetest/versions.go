package storetest

import (
	"encoding/json"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var versionProperties = []property{
	{name: "a call can choose a version", hold: holdVersionChosen},
	{name: "a version that cannot be chosen", hold: holdVersionRefused},
	{name: "in a transaction too", hold: eachTx(holdTxVersion)},
	{name: "a task that a task has enqueued", hold: holdParent},
}

func pinned(name string, version int, args string) task.Request {
	return task.Request{Name: name, Args: []byte(args), EnqueueOptions: task.EnqueueOptions{Version: version}}
}

func holdVersionChosen(w *world) {
	store := w.open()
	w.start(store, only(task.Wasm, 1), handler(done))
	typed := guest("a", task.Options{Priority: 3})
	typed.Args = json.RawMessage(`{"type":"integer"}`)
	first := w.push(store, "m", guest("zero"), typed)
	second := w.push(store, "m", guest("a", task.Options{Priority: 8}), guest("b"))
	require.Equal(w, 2, second.Version)
	for version, want := range map[int]task.ModuleRef{
		0: {Name: "m", Version: 2, Digest: second.Digest},
		1: {Name: "m", Version: 1, Digest: first.Digest},
		2: {Name: "m", Version: 2, Digest: second.Digest},
	} {
		for range 2 {
			got := w.succeeds(store, w.enqueue(store, pinned("a", version, "1")))
			assert.Equal(w, want, *got.Module, "version %d", version)
			assert.Equal(w, map[int]int{1: 3, 2: 8}[want.Version], got.Priority)
		}
	}
	_, err := store.Enqueue(w.Context(), pinned("a", 1, `"x"`))
	var argument *task.ArgumentError
	require.ErrorAs(w, err, &argument, "the schema of that version")
	w.succeeds(store, w.enqueue(store, pinned("a", 2, `"x"`)))
	require.EqualValues(w, 5, w.number("SELECT count(*) FROM task WHERE module_version = 2 AND definition_index = 0"))
	require.EqualValues(w, 2, w.number("SELECT count(*) FROM task WHERE module_version = 1 AND definition_index = 1"))
}

func holdVersionRefused(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	w.push(store, "m", guest("a"), guest("b"))
	require.NoError(w, store.DeclareFunctions(w.Context(), []task.Definition{function("f")}))
	for name, test := range map[string]struct {
		request task.Request
		text    string
	}{
		"none such":      {pinned("a", 3, ""), "version is 3, and module m has no such version"},
		"without it":     {pinned("b", 1, ""), "version is 1, and that version of module m does not have b"},
		"a Go function":  {pinned("f", 1, ""), "version cannot be chosen, because f is a Go function"},
		"less than none": {pinned("a", -1, ""), "version must not be negative, is -1"},
	} {
		_, err := store.Enqueue(w.Context(), test.request)
		var invalid *task.InvalidError
		if assert.ErrorAs(w, err, &invalid, name) {
			assert.EqualError(w, invalid, test.text, name)
		}
	}
	require.Zero(w, w.tasks())
}

func holdTxVersion(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.open()
	name := w.fresh()
	first := w.push(store, name, guest(name, task.Options{Retries: 1}))
	w.push(store, name, guest(name))
	var ids []task.ID
	within(store, func(enqueue enqueueFunc) bool {
		var err error
		ids, err = enqueue(pinned(name, 1, ""), unique(name, task.UniqueName, ""), unique(name, task.UniqueName, "1"))
		require.NoError(w, err)
		require.Equal(w, ids[1], ids[2])
		again, err := enqueue(unique(name, task.UniqueName, "2"))
		require.NoError(w, err)
		require.Equal(w, ids[1:2], again)
		return true
	})
	got := w.task(store, ids[0])
	require.Equal(w, first.Digest, got.Module.Digest)
	require.Equal(w, 2, got.MaxAttempts)
	require.Equal(w, ids[1], w.submit(store, unique(name, task.UniqueName, "3"), true))
	require.EqualValues(w, 2, w.number("SELECT count(*) FROM task WHERE name = $1", name))
}

func holdParent(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	parent := w.named(store, "a")
	require.Nil(w, w.task(store, parent).Parent)
	id := w.enqueue(store, task.Request{Name: "a", Source: task.Child, Parent: parent})
	got := w.task(store, id)
	require.Equal(w, task.Child, got.Source)
	require.Equal(w, &parent, got.Parent)
	ids, err := store.EnqueueMany(w.Context(), []task.Request{{Name: "a", Source: task.Child, Parent: id}, {Name: "a"}})
	require.NoError(w, err)
	require.Equal(w, &id, w.task(store, ids[0]).Parent)
	require.Nil(w, w.task(store, ids[1]).Parent)
}
