// Package sqlitestore keeps tasks and modules in one SQLite file, using River.
// It is the store to begin with: there is nothing to install.
//
// Any number of processes may [Open] a file and enqueue into it. One of them
// may [Store.Start] to work its tasks: that one holds a lock on the file.
//
// Every change is committed with synchronous=FULL: what was acknowledged
// survives the death of the process and of the machine. Concurrent callers
// share commits, so that costs little under load.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite" // and the database driver of that name
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// readers is how many connections serve reads beside the one that writes.
const readers = 4

// Config says which file to open.
type Config struct {
	// Path is the database file. It is made, readable by its owner only, if
	// it does not exist; its directory must exist.
	Path string
	// NoMigrate leaves the file's tables as they are: they must be up to date
	// already. Open then makes no file, and its error says what to type.
	NoMigrate bool
	// EncryptKeys are the keys that arguments, results, error texts and logs are
	// sealed under before they reach the file, as the URL-safe base64 of 32 bytes: the
	// first seals, all of them open. Defaults to none.
	EncryptKeys []string
	// NoEvents has [Store.Events] tell of nothing that happens from the next Start of
	// this store on, whichever process does it.
	NoEvents bool
	// Logger takes what the store has to report. Defaults to none.
	Logger *slog.Logger
}

// Store is an open file. It is safe for concurrent use.
type Store struct {
	*riverstore.Enqueuer
	*riverstore.Control
	*riverstore.Feed

	path     string
	noEvents bool
	logger   *slog.Logger
	write    *sql.DB // one connection: SQLite has one writer at a time
	read     *sql.DB
	// What is prepared on either.
	writing, reading statements
	bus              *riverstore.Bus
	poll             time.Duration // how often tickets are looked for
	waiters          *riverstore.Waiters
	vault            *riverstore.Vault // nil without keys

	mu      sync.Mutex
	serving *serving // nil unless started
	closed  bool

	closing  sync.Once
	closeErr error
	// ending ends when the closing begins.
	ending context.Context
	end    context.CancelFunc
}

// Open opens a file, makes it where there is none, and brings its tables up to
// date. ctx bounds that work. The caller must Close the store.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(config.Path)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if config.NoMigrate {
		err = upToDate(ctx, path)
	} else {
		err = makeUpToDate(ctx, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	s := &Store{path: path, noEvents: config.NoEvents, logger: config.Logger, bus: riverstore.NewBus(), poll: pollInterval}
	s.ending, s.end = context.WithCancel(context.Background())
	s.waiters = riverstore.NewWaiters(s)
	if err := s.open(ctx, config.EncryptKeys); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, err), s.Close())
	}
	s.Enqueuer = riverstore.NewEnqueuer(s, riverstore.EnqueuerConfig{Vault: s.vault})
	s.Feed = riverstore.NewFeed(s)
	s.Control = riverstore.NewControl(s, dialect)
	return s, nil
}

// create makes an empty file that only its owner may read: SQLite would make
// one that everybody may.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its directory does not exist: make it, or choose another file")
	}
	if err != nil {
		return fmt.Errorf("%w: choose a file that can be written", err)
	}
	return file.Close()
}

func (s *Store) open(ctx context.Context, keys []string) error {
	var err error
	if s.write, err = connect(s.path, 1); err != nil {
		return err
	}
	if s.read, err = connect(s.path, readers, "query_only(1)"); err != nil {
		return err
	}
	if s.writing, err = prepare(ctx, s.write, writeTexts); err != nil {
		return err
	}
	if s.reading, err = prepare(ctx, s.read, readTexts); err != nil {
		return err
	}
	s.vault, err = riverstore.OpenVault(ctx, s, keys)
	return err
}

// connect opens a pool. WAL lets reads go on beside the writer;
// _txlock=immediate takes the write lock at BEGIN, where waiting for it is
// possible, and not at the first write, where it is not.
func connect(path string, connections int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": append([]string{
			"busy_timeout(5000)",
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"foreign_keys(1)",
		}, pragmas...),
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(0)
	return db, nil
}

// Close closes the file. Where the store is started, it is stopped first: attempts
// in progress are interrupted and waited for. Calling it again returns when it is
// closed.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.end()
	s.mu.Lock()
	serving := s.serving
	s.closed = true
	s.mu.Unlock()
	var errs []error
	if serving != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		errs = append(errs, serving.stopping.Stop(ctx))
	}
	if s.Enqueuer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, s.Wait(ctx))
	}
	s.writing.close()
	s.reading.close()
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// inTx runs f in a transaction of the writing connection.
func (s *Store) inTx(ctx context.Context, f func(w *session) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return withCause(err)
	}
	w := newSession(tx, s.writing)
	w.vault = s.vault
	err = f(w)
	w.close()
	if err != nil {
		_ = tx.Rollback() // where it fails, the connection is given up, and with it the transaction
	} else {
		err = tx.Commit()
	}
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err() // the transaction ended with it
	}
	return withCause(err)
}

// withCause marks the errors that are the file's and not the request's, and may
// pass.
func withCause(err error) error {
	var sqliteErr *sqlite.Error
	if !errors.As(err, &sqliteErr) {
		return err
	}
	switch sqliteErr.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", task.ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %w", task.ErrUnavailable, err)
	default:
		return err
	}
}

// now is the database's clock, which for a file is this machine's.
func now() time.Time { return time.Now().UTC() }

func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

func fromNullMicros(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := fromMicros(us.Int64)
	return &t
}

// riverLayout is how River's SQLite driver writes times: text that sorts. It
// writes milliseconds, and reads what is finer.
const riverLayout = "2006-01-02 15:04:05.000000"

func riverTime(t time.Time) string { return t.UTC().Format(riverLayout) }

// nullable turns an empty text into NULL.
func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func toID(raw []byte) (id task.ID) {
	copy(id[:], raw)
	return id
}
