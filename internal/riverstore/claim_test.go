package riverstore

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/riverqueue/river/riverdriver"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// claimingDB answers claims as a test says.
type claimingDB struct {
	*fakeDB

	claim func() ([]*Claim, error)
}

func (db *claimingDB) Claim(context.Context, ClaimParams) ([]*Claim, error) { return db.claim() }

// TestClaimsDuringAnOutage: one line says that it began and one that it is over,
// however many claims fail in between; another error is River's to report.
func TestClaimsDuringAnOutage(t *testing.T) {
	var log bytes.Buffer
	db := new(claimingDB)
	r := &Runner{
		db: db, claimed: make(map[int64]*Claim),
		config: RunnerConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))},
	}
	fetch := func(err error, claims ...*Claim) ([]*Claim, error) {
		db.claim = func() ([]*Claim, error) { return claims, err }
		return r.claim(t.Context(), new(riverdriver.JobGetAvailableParams))
	}
	for range 3 {
		claims, err := fetch(task.ErrUnavailable)
		require.NoError(t, err)
		require.Empty(t, claims)
	}
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("no tasks can be claimed")))
	for range 3 {
		claims, err := fetch(nil, leased(task.ID{1}, 1))
		require.NoError(t, err)
		require.Len(t, claims, 1)
	}
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("claimed again")))
	require.Len(t, r.held.all(), 1)
	_, err := fetch(errDown)
	require.ErrorIs(t, err, errDown)
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("no tasks can be claimed")))
}
