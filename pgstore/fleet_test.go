package pgstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// TestDeadNodesAreListedForAnHour: and looking for what they ran, which each node
// does every second, writes nothing.
func TestDeadNodesAreListedForAnHour(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	store := open(t, pgstore.Config{URL: database})
	execute(t, database, `
		INSERT INTO taskhost.node (id, started_at, heartbeat_at, version, capacity, functions)
		SELECT age, now() - interval '3 hours', now() - age::interval, '', '{}', '[]'
		FROM unnest(ARRAY['1 second', '59 minutes', '61 minutes']) age`)
	alive := make(map[string]bool)
	list := func() []task.Node {
		nodes, err := store.Nodes(t.Context())
		require.NoError(t, err)
		for _, node := range nodes {
			alive[node.ID] = node.Alive
		}
		return nodes
	}
	require.Len(t, list(), 2)
	require.Equal(t, map[string]bool{"1 second": true, "59 minutes": false}, alive)
	rows := func() int { return number(t, database, "SELECT count(*) FROM taskhost.node") }

	beats, err := store.Heartbeats(t.Context())
	require.NoError(t, err)
	require.Len(t, beats, 3)
	ends, err := store.Orphans(t.Context(), []string{"61 minutes"}, 10)
	require.NoError(t, err)
	require.Empty(t, ends)
	require.Equal(t, 3, rows())
	_, err = store.Repair(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, rows())
	require.Len(t, list(), 2)
}
