package pgstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// durability is what the server's settings make of a commit.
type durability struct {
	fsync, commit, pages string
}

// problem says how what was acknowledged can get lost, or nothing.
func (d *durability) problem() string {
	var lost []string
	if d.fsync == "off" {
		lost = append(lost, "with fsync=off, what was committed is lost when the machine goes down, and with it maybe the whole database")
	}
	if d.commit == "off" { // local and remote_* reach this server's disk
		lost = append(lost, "with synchronous_commit=off, what was committed in the last second is lost when the server goes down")
	}
	return strings.Join(lost, "; ")
}

// checkDurable refuses a server that may lose what it acknowledges. It looks at what
// counts for the store's own connections: a role or an address can have settings of
// its own.
func (s *Store) checkDurable(ctx context.Context, allow bool) error {
	var d durability
	err := s.pool.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')").
		Scan(&d.fsync, &d.commit, &d.pages)
	if err != nil {
		return err
	}
	if d.pages == "off" {
		s.logger.WarnContext(ctx, "the server runs with full_page_writes=off: unless the file system never writes a part of a page, it may be damaged when the machine goes down")
	}
	problem := d.problem()
	switch {
	case problem == "":
		return nil
	case allow:
		s.logger.WarnContext(ctx, "tasks can get lost: the database does not keep all that it commits, and was allowed to", slog.String("problem", problem))
		return nil
	default:
		return errors.New(problem + ": turn it on for the server, the database or the role, or insist with --allow-unsafe-database (Config.AllowUnsafeDatabase)")
	}
}

// Durability says what a commit survives.
func (s *Store) Durability(ctx context.Context) (string, error) {
	var d durability
	err := s.pool.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit')").Scan(&d.fsync, &d.commit)
	return fmt.Sprintf("fsync=%s synchronous_commit=%s", d.fsync, d.commit), failed(err, "read the server's settings")
}
