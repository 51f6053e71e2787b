package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/httpapi"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run tasks and serve the HTTP interface",
		Long: `Run tasks and serve the HTTP interface, until a signal to stop.

At the first start a token is made and kept in the data directory, in the file
"token". Commands on this machine use it by themselves; others send it as
"Authorization: Bearer TOKEN".

The first SIGINT or SIGTERM lets tasks finish for the shutdown timeout and then
interrupts them; the second ends the process at once.

Tasks are kept in a SQLite file, which one server works, or in Postgres, which
any number of servers share: give each a data directory of its own, which then
holds its token and caches.`,
		Example: `  taskhost serve
  taskhost serve --data-dir ./data --listen 127.0.0.1:9000
  TASKHOST_DATABASE=postgres://user:password@db.example/tasks taskhost serve`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := startServer(cmd.Context(), a.settings, a.logger())
			if err != nil {
				return err
			}
			return server.wait(cmd.Context())
		},
	}
	serverFlags(cmd)
	return cmd
}

func serverFlags(cmd *cobra.Command) {
	openFlags(cmd)
	flags := cmd.Flags()
	settingFlag(flags, "isolation", "where guests run: worker, a process each, cut off as far as this system can; or inprocess (default worker)")
	flags.Bool("require-isolation", false, "do not start where a wall around workers cannot stand on this system")
	flags.Bool("migrate-at-start", true, "bring the database's tables up to date; without, an error where they are not")
	settingFlag(flags, "listen", "address to listen on (default 127.0.0.1:7420; port 0 takes a free one)")
	settingFlag(flags, "max-wasm-workers", "guests that run at once (default 4 for each processor, at least 8)")
	settingFlag(flags, "max-concurrent-tasks", "Go functions of executor async that run at once (default 10000)")
	settingFlag(flags, "max-sync-threads", "Go functions of executor thread that run at once (default processors + 4, at most 32)")
	settingFlag(flags, "shutdown-timeout", "how long tasks may finish after a signal to stop (default 30s)")
	limitFlags(cmd)
	retentionFlags(cmd)
	eventFlags(cmd)
}

// requestGrace is how long requests in progress may take once the server stops.
const requestGrace = 5 * time.Second

// server is a host with its HTTP interface, running.
type server struct {
	host     *taskhost.Host
	http     *http.Server
	url      string
	token    string
	grace    time.Duration
	withdraw func() error
	unlock   func() error
	served   chan error
}

// startServer opens the database, listens, and starts. What it began is undone
// where it fails.
func startServer(ctx context.Context, s *settings, logger *slog.Logger) (_ *server, err error) {
	if err := s.makeDataDir(); err != nil {
		return nil, err
	}
	unlock, err := lockDataDir(s.DataDir)
	if err != nil {
		return nil, err
	}
	defer closeOnError(&err, unlock)
	listener, err := listen(ctx, s.Listen)
	if err != nil {
		return nil, err
	}
	defer closeOnError(&err, listener.Close)
	config, err := s.hostConfig(logger)
	if err != nil {
		return nil, err
	}
	host, err := taskhost.New(ctx, config)
	if err != nil {
		return nil, err
	}
	defer closeOnError(&err, func() error { return host.Stop(context.WithoutCancel(ctx)) })
	if err := host.Start(ctx); err != nil {
		return nil, err
	}
	token, err := firstToken(s.DataDir)
	if err != nil {
		return nil, err
	}
	if err := host.PutToken(ctx, "first-start", token); err != nil {
		return nil, err
	}
	srv := &server{
		host:   host,
		unlock: unlock,
		url:    "http://" + listener.Addr().String(),
		token:  token,
		grace:  s.ShutdownTimeout,
		served: make(chan error, 1),
		http:   newHTTPServer(host, s, logger),
	}
	if srv.withdraw, err = announceServer(s.DataDir, serverAddress{URL: srv.url, PID: os.Getpid()}); err != nil {
		return nil, err
	}
	go func() { srv.served <- srv.http.Serve(listener) }()
	logger.InfoContext(ctx, "listening", slog.String("url", srv.url), slog.String("data_dir", s.DataDir))
	return srv, nil
}

func newHTTPServer(host *taskhost.Host, s *settings, logger *slog.Logger) *http.Server {
	stopping := make(chan struct{})
	server := &http.Server{
		Handler: httpapi.New(httpapi.Config{
			Tasks: host, Events: host, History: host, Modules: host.Modules(), Auth: host, Health: host,
			Stopping: stopping, MaxArgsBytes: int64(s.Limits.Arguments), Logger: logger, Version: taskhost.Version(),
		}),
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Minute, // an upload is read first, and a request may wait for a task
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	return server
}

func closeOnError(err *error, closeFunc func() error) {
	if *err != nil {
		*err = errors.Join(*err, closeFunc())
	}
}

// listen refuses what is not loopback: there is no TLS yet.
func listen(ctx context.Context, address string) (net.Listener, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("listen: %w: give an address such as 127.0.0.1:7420", err)
	}
	if !isLoopback(name) {
		return nil, usagef("listen: %s is not a loopback address: the server has no TLS yet; listen on 127.0.0.1 and put a proxy that has it in front", address)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the port is in use: stop what uses it, or choose another with --listen (port 0 takes a free one)", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || (ip != nil && ip.IsLoopback())
}

// wait serves until ctx ends or serving fails, and then stops.
func (s *server) wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.served:
	}
	return errors.Join(err, s.stop(context.WithoutCancel(ctx)))
}

// stop starts no more tasks and takes no more requests, lets those in progress
// finish for a while, and interrupts the tasks that are left.
func (s *server) stop(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() {
		requests, cancel := context.WithTimeout(ctx, requestGrace)
		defer cancel()
		err := s.http.Shutdown(requests)
		if err != nil {
			err = s.http.Close()
		}
		closed <- err
	}()
	tasks, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	return errors.Join(s.host.Stop(tasks), <-closed, s.withdraw(), s.unlock())
}
