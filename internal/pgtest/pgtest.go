// Package pgtest gives tests a real Postgres. [Database] makes an empty database
// on the server that the whole test run shares, which the command in
// internal/pgtest/run starts; [Start] makes a server of a test's own, for tests
// that take the database away and bring it back.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser   = "postgres"
	maintenance = "postgres"       // the database that every cluster has
	patience    = 30 * time.Second // for what takes a moment on a machine that is not busy
)

// Options are what a test may want of its server. The zero value is a server
// that keeps what it committed.
type Options struct {
	// Settings are added to those of the server, as in postgresql.conf.
	Settings map[string]string
	// Log takes what the server writes to its log. Defaults to none; the end
	// of it is in the errors in any case.
	Log io.Writer
}

// Server is a Postgres server in a temporary folder, on a port of 127.0.0.1. It
// dies with the process that started it, however that ends. Its methods may be
// called from any goroutine.
type Server struct {
	binaries binaries
	account  account
	folder   string
	options  Options
	guard    *guard
	port     int

	mu     sync.Mutex
	log    *tail
	server *exec.Cmd     // nil unless started
	gone   chan struct{} // closed when the server and all that it forked have ended
}

// Start makes a cluster and starts a server on it. It returns when the server
// accepts connections. The caller must Stop it.
func Start(ctx context.Context, options Options) (*Server, error) {
	s, err := start(ctx, options)
	switch {
	case err == nil:
		return s, nil
	case ctx.Err() != nil: // the rest is only what that has broken
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("start Postgres: %w", err)
}

func start(ctx context.Context, options Options) (*Server, error) {
	account, err := ordinary()
	if err != nil {
		return nil, err
	}
	binaries, err := find(ctx, account, folders)
	if err != nil {
		return nil, err
	}
	folder, err := account.folder()
	if err != nil {
		return nil, err
	}
	s := &Server{binaries: binaries, account: account, folder: folder, options: options}
	if s.guard, err = newGuard(ctx, folder); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := s.create(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	for range 5 {
		if s.port, err = freePort(ctx); err != nil {
			break
		}
		if err = s.start(ctx); err == nil || !s.log.has("could not bind") {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// create makes the cluster. Not every system has the locale C.UTF-8.
func (s *Server) create(ctx context.Context) error {
	var failed []error
	for _, locale := range []string{"C.UTF-8", "C"} {
		initdb := s.account.command(ctx, s.binaries.initdb, "--pgdata", s.data(), "--no-sync", "--no-instructions",
			"--auth", "trust", "--username", superuser, "--encoding", "UTF8", "--locale", locale)
		initdb.Dir = s.folder // the current one may not be readable to the account
		output, err := initdb.CombinedOutput()
		if err == nil {
			return nil
		}
		failed = append(failed, fmt.Errorf("%s: %w\n%s", initdb, err, output))
	}
	return errors.Join(failed...)
}

// freePort finds one below those that systems give to outgoing connections. Such
// a connection could take the port while the server is down, even to itself: a
// client that keeps dialling a port on its own machine may be given that port.
func freePort(ctx context.Context) (int, error) {
	var failed error
	for range 100 {
		port := 15000 + rand.IntN(17000)
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		failed = err
	}
	return 0, fmt.Errorf("find a free port: %w", failed)
}

// start starts the server, and waits until it answers. s.mu is held, or s is
// not shared yet.
func (s *Server) start(ctx context.Context) error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": "",
		"max_connections":         "200",
		"shared_buffers":          "128MB",
		// In the folder, so that a killed server leaves nothing elsewhere.
		"dynamic_shared_memory_type": "mmap",
	}
	maps.Copy(settings, s.options.Settings)
	args := []string{"-D", s.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	s.log = &tail{also: s.options.Log}
	server := s.account.command(context.WithoutCancel(ctx), s.binaries.postgres, args...)
	server.Dir = s.folder
	server.Stdout, server.Stderr = s.log, s.log
	server.WaitDelay = 0
	if err := server.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	s.server, s.gone = server, gone
	go func() {
		// Every process of the server has the pipe of the log, so this waits for
		// all of them, for as long as it takes: one that is left would be in the
		// way of a restart.
		_ = server.Wait() // how it ended is in the log
		close(gone)
	}()
	if err := s.ready(ctx); err != nil {
		return errors.Join(err, s.halt())
	}
	return nil
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL(maintenance))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-again.C:
		case <-s.gone:
			return fmt.Errorf("%s ended:\n%s", s.server, s.log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", s.server, err, s.log)
		}
	}
}

// URL is where a database of the server is. Its user is a superuser.
func (s *Server) URL(database string) string {
	address := url.URL{
		Scheme: "postgres", User: url.User(superuser), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path: database, RawQuery: "sslmode=disable", // saves every connection a round trip
	}
	return address.String()
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// Data is the folder in which the server keeps everything.
func (s *Server) Data() string { return s.data() }
