package storetest

import (
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var collectProperties = []property{
	{name: "versions that nobody needs go, with their bytes", hold: holdCollect},
	{name: "a module that was pushed lately is left alone", hold: holdCollectGrace},
	{name: "what was remembered of a version that is gone is asked for anew", hold: holdCollectStale},
	{name: "no task loses its version to a race", hold: holdCollectRace},
	{name: "a transaction that is under way keeps its version", hold: holdCollectTx, fleet: true},
}

// versionsOf lists the numbers of a module's versions, newest first.
func (w *world) versionsOf(store Store, module string) (numbers []int) {
	w.Helper()
	versions, err := store.Versions(w.Context(), module)
	require.NoError(w, err)
	for _, v := range versions {
		numbers = append(numbers, v.Version)
	}
	return numbers
}

// pushVersions pushes so many versions of a module with a task "a".
func (w *world) pushVersions(store Store, module string, from, to int) {
	w.Helper()
	for n := from; n <= to; n++ {
		w.push(store, module, guest(module+".a", task.Options{Retries: n}))
	}
}

func (w *world) collect(store Store, keep int) (gone []int) {
	w.Helper()
	refs, err := store.CollectModules(w.Context(), keep, 0)
	require.NoError(w, err)
	for _, ref := range refs {
		gone = append(gone, ref.Version)
	}
	return gone
}

func holdCollect(w *world) {
	store := w.open()
	w.pushVersions(store, "m", 1, 6)
	w.pushVersions(store, "other", 1, 1)
	shared := []byte("shared")
	for _, module := range []string{"s1", "s2"} {
		_, err := store.PutVersion(w.Context(), modules.Version{
			Module: module, Digest: modules.Digest(shared), Bytes: int64(len(shared)), Definitions: []task.Definition{guest(module + ".a")},
		}, shared)
		require.NoError(w, err)
	}
	w.pushVersions(store, "s1", 1, 1)
	w.push(store, "m", guest("m.a", task.Options{Retries: 2})) // version 2 is live again
	needs2 := w.named(store, "m.a")
	w.pushVersions(store, "m", 1, 1)
	w.pushVersions(store, "m", 4, 4) // version 4 is live

	require.Empty(w, w.collect(store, 10))
	require.Equal(w, []int{1, 3, 5, 1}, w.collect(store, 1), "2 is a task's, 4 is live, 6 is the newest")
	require.Equal(w, []int{6, 4, 2}, w.versionsOf(store, "m"))
	require.Equal(w, []int{2}, w.versionsOf(store, "s1"))
	require.Equal(w, []int{1}, w.versionsOf(store, "other"))
	_, err := store.Wasm(w.Context(), modules.Digest(shared))
	require.NoError(w, err, "the other module has it")
	_, err = store.Wasm(w.Context(), w.task(store, needs2).Module.Digest)
	require.NoError(w, err)
	require.EqualValues(w, 6, w.number("SELECT count(*) FROM module_blob"))
	digests, err := store.StoredDigests(w.Context())
	require.NoError(w, err)
	require.Len(w, digests, 6)
	require.Contains(w, digests, modules.Digest(shared))

	w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, needs2)
	require.Empty(w, w.collect(store, 1), "a task that has ended needs its version too, to be retried")
	_, err = store.ClearHistory(w.Context(), task.HistoryFilter{}, false)
	require.NoError(w, err)
	require.Equal(w, []int{2}, w.collect(store, 1))
	require.Equal(w, 7, w.push(store, "m", guest("m.a", task.Options{Retries: 2})).Version, "pushed again it is another")
	w.succeeds(store, w.named(store, "m.a"))

	w.exec("INSERT INTO module_blob (digest, bytes, wasm) SELECT 'nobodys', bytes, wasm FROM module_blob LIMIT 1")
	w.collect(store, 10)
	require.Zero(w, w.number("SELECT count(*) FROM module_blob WHERE digest = 'nobodys'"))
}

func holdCollectGrace(w *world) {
	store := w.open()
	w.pushVersions(store, "m", 1, 3)
	gone, err := store.CollectModules(w.Context(), 1, time.Hour)
	require.NoError(w, err)
	require.Empty(w, gone)
}

func holdCollectStale(w *world) {
	store, other := w.open(), w.open()
	w.pushVersions(store, "m", 1, 1)
	w.named(store, "m.a")
	w.exec("DELETE FROM river_job")
	w.exec("DELETE FROM task")
	w.pushVersions(other, "m", 2, 2)
	require.Equal(w, []int{1}, w.collect(other, 1))
	require.Equal(w, 2, w.task(store, w.named(store, "m.a")).Module.Version)
	w.pushVersions(other, "m", 3, 3)
	w.exec("DELETE FROM river_job")
	w.exec("DELETE FROM task")
	require.Equal(w, []int{2}, w.collect(other, 1))
	ids, err := store.EnqueueMany(w.Context(), []task.Request{{Name: "m.a"}, {Name: "m.a"}})
	require.NoError(w, err)
	require.Equal(w, 3, w.task(store, ids[1]).Module.Version)
}

func holdCollectRace(w *world) {
	const pushes = 40
	stores := []Store{w.open(), w.open()}
	w.pushVersions(stores[0], "m", 1, 1)
	var mu sync.Mutex
	var ids []task.ID
	stop := make(chan struct{})
	going := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	var busy sync.WaitGroup
	for i, store := range stores {
		busy.Go(func() { // somebody enqueues
			for going() {
				id, err := store.Enqueue(w.Context(), task.Request{Name: "m.a"})
				if err != nil {
					assert.NoError(w, err)
					return
				}
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
		busy.Go(func() { // and somebody collects
			for going() {
				_, err := stores[1-i].CollectModules(w.Context(), 1, 0)
				assert.NoError(w, err)
			}
		})
	}
	gone := 0
	for n := range pushes {
		w.push(stores[0], "m", guest("m.a", task.Options{Retries: 1 + n%7, Delay: time.Duration(n/3+1) * time.Second}))
		if n%4 == 0 { // versions are needed no more
			mu.Lock()
			w.exec("DELETE FROM river_job")
			w.exec("DELETE FROM task")
			ids, gone = nil, gone+1
			mu.Unlock()
		}
	}
	close(stop)
	busy.Wait()
	require.Zero(w, w.number(`SELECT count(*) FROM task t WHERE NOT EXISTS (
		SELECT 1 FROM module_version v JOIN module_blob b ON b.digest = v.digest
		WHERE v.module = t.module AND v.version = t.module_version AND b.digest = t.module_digest)`), "every task has its version, and that its bytes")
	require.Less(w, len(w.versionsOf(stores[0], "m")), pushes, "none was collected, so this test shows nothing")
	w.exec("DELETE FROM river_job WHERE NOT EXISTS (SELECT 1 FROM task WHERE ticket = river_job.id)")
	w.Logf("%d tasks at the end, %d versions", len(ids), len(w.versionsOf(stores[0], "m")))
}

func holdCollectTx(w *world) {
	for name, within := range w.Tx {
		module := "m-" + name
		store := w.open()
		w.pushVersions(store, module, 1, 1)
		var id task.ID
		within(w.T, store, func(enqueue func(...task.Request) ([]task.ID, error)) bool {
			ids, err := enqueue(task.Request{Name: module + ".a"})
			require.NoError(w, err)
			id = ids[0]
			w.pushVersions(store, module, 2, 3)
			require.Equal(w, []int{2}, w.collect(store, 1), "what is about to have a task stays")
			return true
		})
		require.Equal(w, 1, w.task(store, id).Module.Version)
		require.Empty(w, w.collect(store, 1))
		_, err := store.Wasm(w.Context(), w.task(store, id).Module.Digest)
		require.NoError(w, err)
	}
}
