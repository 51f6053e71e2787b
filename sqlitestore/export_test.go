package sqlitestore

import (
	"context"
	"database/sql"
	"time"
)

// SetPoll has a store that is not started yet look for tickets that rarely.
func (s *Store) SetPoll(interval time.Duration) { s.poll = interval }

// Pragmas reads a pragma on every connection of a store at once.
func (s *Store) Pragmas(ctx context.Context, name string) (values []string, err error) {
	for _, pool := range []*sql.DB{s.write, s.read} {
		for range pool.Stats().MaxOpenConnections {
			conn, err := pool.Conn(ctx)
			if err != nil {
				return nil, err
			}
			defer conn.Close() // held until all are
			var value string
			if err := conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value); err != nil {
				return nil, err
			}
			values = append(values, value)
		}
	}
	return values, nil
}
