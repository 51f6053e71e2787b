package riverstore

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeDB is a Database of which a test gives the parts that it needs.
type fakeDB struct {
	Database

	definition func(name string) (*task.Definition, error)
	names      func() ([]string, error)
	insert     func(rows []*Row) ([]task.ID, error)
	finish     func(ends []*End) ([]bool, error)
	appendLogs func(lines []LogLine) error
}

func (db *fakeDB) Definition(_ context.Context, name string) (*task.Definition, error) {
	return db.definition(name)
}

func (db *fakeDB) DefinitionNames(context.Context) ([]string, error) { return db.names() }

func (db *fakeDB) Insert(_ context.Context, rows []*Row) ([]task.ID, error) { return db.insert(rows) }

func (db *fakeDB) Finish(_ context.Context, ends []*End) ([]bool, error) { return db.finish(ends) }

func (db *fakeDB) AppendLogs(_ context.Context, lines []LogLine) error { return db.appendLogs(lines) }

// inserted makes an insert that stores everything, and keeps it.
type inserted struct {
	mu      sync.Mutex
	batches [][]*Row
}

func (i *inserted) insert(rows []*Row) ([]task.ID, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.batches = append(i.batches, rows)
	ids := make([]task.ID, len(rows))
	for n, row := range rows {
		ids[n] = row.ID
	}
	return ids, nil
}

func (i *inserted) rows() (all []*Row) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, batch := range i.batches {
		all = append(all, batch...)
	}
	return all
}

var errDown = errors.New("the database is down")
