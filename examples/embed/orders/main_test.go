package main

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

func TestOrders(t *testing.T) {
	url := pgtest.Database(t)
	require.NoError(t, run(t.Context(), url))
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	var orders, confirmed, tasks int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE confirmed), (SELECT count(*) FROM taskhost.task) FROM shop_order").
		Scan(&orders, &confirmed, &tasks))
	require.Equal(t, []int{2, 2, 2}, []int{orders, confirmed, tasks}, "what was rolled back left neither an order nor a task")
}

func TestOrdersWithoutDatabase(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), ""), "DATABASE_URL is not set")
}
