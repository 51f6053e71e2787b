package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var moduleProperties = []property{
	{name: "versions are numbered, and one is live", hold: holdVersions},
	{name: "what a version says comes back", hold: holdVersionFields},
	{name: "bytes are kept exactly, and once", hold: holdWasm},
	{name: "names belong to one module", hold: holdNames},
	{name: "waiting tasks keep their version", hold: holdPinned},
	{name: "of modules that are pushed together one gets a name", hold: holdPushRace},
	{name: "one module that is pushed from many sides", hold: holdPushTogether},
}

func holdVersions(w *world) {
	store := w.open()
	empty, err := store.LiveVersions(w.Context())
	require.NoError(w, err)
	require.Empty(w, empty)
	_, err = store.Versions(w.Context(), "a")
	require.ErrorIs(w, err, task.ErrNotFound)

	first := w.push(store, "a", guest("a.one"))
	second := w.push(store, "a", guest("a.two"), guest("a.three"))
	other := w.push(store, "0", guest("zero"))
	require.Equal(w, []int{1, 2, 1}, []int{first.Version, second.Version, other.Version})
	require.True(w, first.Live)
	live, err := store.LiveVersions(w.Context())
	require.NoError(w, err)
	require.Equal(w, []modules.Version{*other, *second}, live)
	names, err := store.DefinitionNames(w.Context())
	require.NoError(w, err)
	require.Equal(w, []string{"a.three", "a.two", "zero"}, names)
	_, err = store.Enqueue(w.Context(), task.Request{Name: "a.one"})
	require.ErrorIs(w, err, task.ErrNotFound)

	again := w.push(store, "a", guest("a.one"))
	require.Equal(w, first, again, "the same bytes are the same version")
	w.named(store, "a.one")
	versions, err := store.Versions(w.Context(), "a")
	require.NoError(w, err)
	notLive := *second
	notLive.Live = false
	require.Equal(w, []modules.Version{notLive, *first}, versions)
	require.Equal(w, 3, w.push(store, "a", guest("a.four")).Version)
}

func holdVersionFields(w *world) {
	store := w.open()
	full := guest("full", task.Options{
		Retries: task.MaxRetries, Delay: 1500 * time.Microsecond, Backoff: 1.1, MaxDelay: task.MaxRetryDelay, Priority: 10,
		Timeout: task.MaxTimeout, RequeueOnInterrupt: true, Memory: task.MaxMemory,
		Fuel: 1 << 50, Depth: task.MaxDepth, ResultBytes: task.MaxResultBytes, LogBytes: task.MaxLogBytes, ArgsBytes: task.MaxArgsBytes, Reset: task.Fresh,
	})
	full.Description = "Größe 😀 'quoted' \\ \n"
	full.Args = json.RawMessage(`{ "type":"object", "properties" : {"é":{"const":1e2}} }`)
	full.Index = 0
	plain := guest("plain")
	plain.Index = 1
	wasm := []byte("wasm")
	stored, err := store.PutVersion(w.Context(), modules.Version{
		Module: "m", Digest: modules.Digest(wasm), Bytes: 4, SDK: "sdk ü 1", Definitions: []task.Definition{full, plain},
	}, wasm)
	require.NoError(w, err)
	w.exact(stored.CreatedAt, "the time of the push")
	ref := &task.ModuleRef{Name: "m", Version: 1, Digest: modules.Digest(wasm)}
	full.Module, plain.Module = ref, ref
	want := modules.Version{
		Module: "m", Version: 1, Digest: ref.Digest, Bytes: 4, SDK: "sdk ü 1", Live: true, CreatedAt: stored.CreatedAt,
		Definitions: []task.Definition{full, plain},
	}
	require.Equal(w, want, *stored)
	versions, err := store.Versions(w.Context(), "m")
	require.NoError(w, err)
	require.Len(w, versions, 1)
	// A version's schema may be without white space; the definition's is exact.
	require.JSONEq(w, string(full.Args), string(versions[0].Definitions[0].Args))
	versions[0].Definitions[0].Args = full.Args
	require.Equal(w, want, versions[0])
	definitions, err := w.open().Definitions(w.Context())
	require.NoError(w, err)
	require.Equal(w, want.Definitions, definitions)
	one, err := store.Definition(w.Context(), "full")
	require.NoError(w, err)
	require.Equal(w, full, *one)
}

func holdWasm(w *world) {
	store := w.open()
	wasm := append(everyByte(), noise(3<<20)...)
	digest := modules.Digest(wasm)
	for module, name := range map[string]string{"a": "a.task", "b": "b.task"} {
		_, err := store.PutVersion(w.Context(), modules.Version{
			Module: module, Digest: digest, Bytes: int64(len(wasm)), Definitions: []task.Definition{guest(name)},
		}, wasm)
		require.NoError(w, err)
	}
	got, err := w.open().Wasm(w.Context(), digest)
	require.NoError(w, err)
	require.True(w, bytes.Equal(wasm, got))
	require.EqualValues(w, 1, w.number("SELECT count(*) FROM module_blob"))
	_, err = store.Wasm(w.Context(), modules.Digest(nil))
	require.ErrorIs(w, err, task.ErrNotFound)
}

func holdNames(w *world) {
	store := w.open()
	w.push(store, "a", guest("taken"), guest("free-later"))
	require.NoError(w, store.DeclareFunctions(w.Context(), []task.Definition{function("go")}))
	before, err := store.Definitions(w.Context())
	require.NoError(w, err)
	for name, holder := range map[string]string{"taken": "module a", "go": "a Go function"} {
		_, err := w.tryPush(store, "b", guest("b.first"), guest(name), guest("b.last"))
		var conflict *task.ConflictError
		require.ErrorAs(w, err, &conflict, name)
		require.ErrorContains(w, err, name+" is taken by "+holder)
	}
	_, err = w.tryPush(store, "a", guest("a.other"), guest("go"))
	require.Error(w, err)
	after, err := store.Definitions(w.Context())
	require.NoError(w, err)
	require.Equal(w, before, after, "a refused push leaves all as it was")
	_, err = store.Versions(w.Context(), "b")
	require.ErrorIs(w, err, task.ErrNotFound)
	require.EqualValues(w, 1, w.number("SELECT count(*) FROM module_version"))
	require.EqualValues(w, 1, w.number("SELECT count(*) FROM module_blob"))

	w.push(store, "a", guest("taken"))
	w.push(store, "b", guest("free-later"))
}

func holdPinned(w *world) {
	store := w.open()
	first := w.push(store, "m", guest("other"), guest("a"), guest("gone"))
	old, gone := w.named(store, "a"), w.named(store, "gone")
	second := w.push(store, "m", guest("a", task.Options{Priority: 9, Timeout: time.Second}))
	young := w.named(store, "a")
	_, err := store.Enqueue(w.Context(), task.Request{Name: "gone"})
	require.ErrorIs(w, err, task.ErrNotFound)

	var mu sync.Mutex
	seen := make(map[task.ID]task.Execution)
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		mu.Lock()
		defer mu.Unlock()
		seen[exec.Task.ID] = *exec
		return task.Outcome{}
	}))
	for _, id := range []task.ID{old, gone, young} {
		w.succeeds(store, id)
	}
	mu.Lock()
	defer mu.Unlock()
	v1 := &task.ModuleRef{Name: "m", Version: 1, Digest: first.Digest}
	require.Equal(w, v1, seen[old].Task.Module)
	require.Equal(w, 1, seen[old].Index)
	require.Equal(w, task.DefaultPriority, seen[old].Task.Priority)
	require.Equal(w, v1, seen[gone].Task.Module)
	require.Equal(w, 2, seen[gone].Index)
	require.Equal(w, &task.ModuleRef{Name: "m", Version: 2, Digest: second.Digest}, seen[young].Task.Module)
	require.Zero(w, seen[young].Index)
	require.Equal(w, 9, seen[young].Task.Priority)
	require.Equal(w, time.Second, seen[young].Task.Timeout)
	wasm, err := store.Wasm(w.Context(), first.Digest)
	require.NoError(w, err, "the old version's bytes are still there")
	require.Equal(w, first.Digest, modules.Digest(wasm))
}

func holdPushRace(w *world) {
	stores := []Store{w.open(), w.open()}
	var won atomic.Int32
	var pushers sync.WaitGroup
	for i := range 10 {
		pushers.Go(func() {
			_, err := w.tryPush(stores[i%2], "m"+string(rune('0'+i)), guest("shared"))
			var conflict *task.ConflictError
			if err == nil {
				won.Add(1)
			} else {
				assert.ErrorAs(w, err, &conflict)
			}
		})
	}
	pushers.Wait()
	require.EqualValues(w, 1, won.Load())
	live, err := stores[0].LiveVersions(w.Context())
	require.NoError(w, err)
	require.Len(w, live, 1)
}

func holdPushTogether(w *world) {
	stores := []Store{w.open(), w.open()}
	var mu sync.Mutex
	numbers := make(map[int]int)
	var pushers sync.WaitGroup
	for i := range 12 {
		pushers.Go(func() {
			version, err := w.tryPush(stores[i%2], "m", guest("shared"), guest("own"+string(rune('0'+i/3))))
			if assert.NoError(w, err) {
				mu.Lock()
				defer mu.Unlock()
				numbers[version.Version]++
			}
		})
	}
	pushers.Wait()
	require.Equal(w, map[int]int{1: 3, 2: 3, 3: 3, 4: 3}, numbers)
	live, err := stores[0].LiveVersions(w.Context())
	require.NoError(w, err)
	require.Len(w, live, 1)
	definitions, err := stores[0].Definitions(w.Context())
	require.NoError(w, err)
	require.Len(w, definitions, 2)
	require.Equal(w, live[0].Version, definitions[0].Module.Version)
	require.Equal(w, live[0].Version, definitions[1].Module.Version)
}
