package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Stop ends the server and removes its folder.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.halt(), os.RemoveAll(s.folder))
	s.guard.dismiss()
	return err
}

// Halt ends the server as an administrator would, which ends its connections,
// and keeps the folder. It does nothing where the server does not run.
func (s *Server) Halt() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halt()
}

func (s *Server) halt() error {
	if !s.running() {
		return nil
	}
	if err := s.server.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	if s.ended() {
		return nil
	}
	return errors.Join(fmt.Errorf("stop Postgres: it had to be killed:\n%s", s.log), s.kill())
}

// Kill ends every process of the server at once, as the power does, and keeps
// the folder. What the system has in its caches it keeps, though: this does not
// show whether what was committed has reached the disk.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return errors.New("kill Postgres: it does not run")
	}
	return s.kill()
}

func (s *Server) kill() error {
	if err := killTree(s.server.Process); err != nil {
		return fmt.Errorf("kill Postgres: %w", err)
	}
	if !s.ended() {
		return fmt.Errorf("kill Postgres: some of it goes on:\n%s", s.log)
	}
	return s.forget()
}

// forget removes what a killed server leaves: the memory, which would outlive
// even its folder, and the number of its process, which may be another's soon.
func (s *Server) forget() error {
	name := filepath.Join(s.data(), "postmaster.pid")
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// The seventh line is the key and the number of the memory.
	if lines := strings.Split(string(text), "\n"); len(lines) > 6 {
		if fields := strings.Fields(lines[6]); len(fields) == 2 {
			removeMemory(fields[1])
		}
	}
	return errors.Join(err, os.Remove(name))
}

// Restart starts the server again, on the same folder and port, after Halt or
// Kill. A server that runs is halted first. It returns when the server accepts
// connections.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.halt(); err != nil {
		return err
	}
	if err := s.forget(); err != nil { // a test may have killed it by other means
		return fmt.Errorf("restart Postgres: %w", err)
	}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("restart Postgres: %w", err)
	}
	return nil
}

func (s *Server) running() bool {
	if s.server == nil {
		return false
	}
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// ended waits until no process of the server is left.
func (s *Server) ended() bool {
	select {
	case <-s.gone:
		return true
	case <-time.After(patience):
		return false
	}
}
