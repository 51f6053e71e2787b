package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var quarantineProperties = []property{
	{name: "what a node sets aside is listed until it is released", hold: holdQuarantine},
	{name: "a node takes what it has set aside along", hold: holdQuarantineLeave},
	{name: "a release reaches all nodes", hold: holdQuarantineFleet, fleet: true},
}

// quarantined lists digest and node of each entry.
func (w *world) quarantined(store Store) (list [][2]string) {
	w.Helper()
	all, err := store.Quarantined(w.Context())
	require.NoError(w, err)
	for _, q := range all {
		require.WithinDuration(w, time.Now(), q.Since, time.Minute)
		require.Equal(w, time.UTC, q.Since.Location())
		require.NotEmpty(w, q.Reason)
		list = append(list, [2]string{q.Digest, q.Node})
	}
	return list
}

func (w *world) aside(store Store, node string) []string {
	w.Helper()
	digests, err := store.StillAside(w.Context(), node)
	require.NoError(w, err)
	return digests
}

func holdQuarantine(w *world) {
	store, other := w.open(), w.open()
	version := w.push(store, "m", guest("a"))
	require.Empty(w, w.quarantined(store))
	require.Error(w, store.SetAside(w.Context(), "nobody", version.Digest, "it died"), "there is no such node")
	node := w.start(store, only(task.Wasm, 1), handler(done))
	for range 2 {
		require.NoError(w, store.SetAside(w.Context(), node, version.Digest, "it died"))
	}
	require.NoError(w, store.SetAside(w.Context(), node, "zz", "it died too"))
	require.Equal(w, [][2]string{{version.Digest, node}, {"zz", node}}, w.quarantined(other))
	require.ElementsMatch(w, []string{version.Digest, "zz"}, w.aside(store, node))
	require.Empty(w, w.aside(store, "nobody"))

	library := modules.NewLibrary(other, nil, task.Ceilings{})
	versions, err := library.Versions(w.Context(), "m")
	require.NoError(w, err)
	require.Len(w, versions[0].Quarantine, 1)
	require.Equal(w, node, versions[0].Quarantine[0].Node)
	require.Equal(w, "it died", versions[0].Quarantine[0].Reason)
	live, err := library.List(w.Context())
	require.NoError(w, err)
	require.Equal(w, versions[0].Quarantine, live[0].Quarantine)

	require.NoError(w, other.Release(w.Context(), []string{version.Digest, "unknown"}))
	require.Equal(w, []string{"zz"}, w.aside(store, node))
	require.Equal(w, [][2]string{{"zz", node}}, w.quarantined(other))
}

func holdQuarantineLeave(w *world) {
	store := w.open()
	node := w.start(store, only(task.Wasm, 1), handler(done))
	require.NoError(w, store.SetAside(w.Context(), node, "zz", "it died"))
	require.NoError(w, store.Stop(w.Context()))
	require.Zero(w, w.number("SELECT count(*) FROM quarantine"))
	require.Empty(w, w.quarantined(store))
}

func holdQuarantineFleet(w *world) {
	w.push(w.open(), "m", guest("a"))
	stores, nodes := w.fleet(2, done, done)
	for i, store := range stores {
		require.NoError(w, store.SetAside(w.Context(), nodes[i], "zz", "it died"))
	}
	require.Len(w, w.quarantined(stores[0]), 2)
	require.NoError(w, stores[1].Release(w.Context(), []string{"zz"}))
	for i, store := range stores {
		require.Empty(w, w.aside(store, nodes[i]))
	}
}
