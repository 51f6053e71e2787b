package tests_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 60 * time.Second
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// process is a taskhost serve of its own.
type process struct {
	cmd    *exec.Cmd
	dir    string
	url    string
	token  string
	stderr *output
	// ready is how long it took from the start to the first good answer.
	ready time.Duration
	// done is closed when the process has ended, with the error of that in err.
	done chan struct{}
	err  error
}

// output gathers what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command prepares a taskhost that sees no settings of whoever runs the tests.
func command(ctx context.Context, binary string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Dir(binary) // where no taskhost.yaml is
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TASKHOST_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	if strings.HasSuffix(strings.TrimSuffix(binary, ".exe"), "-race") {
		// A worker that looks for races takes a minute to have a module loaded. The
		// binary without it has its guests in workers, as it does by default.
		cmd.Env = append(cmd.Env, "TASKHOST_ISOLATION=inprocess")
	}
	return cmd
}

func serveArgs(dir string, more ...string) []string {
	return append([]string{"serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--log-format", "json"}, more...)
}

// launch starts a server and waits until it answers.
func launch(ctx context.Context, binary, dir string, more ...string) (*process, error) {
	// The process outlives ctx, which bounds the start.
	return launchCommand(ctx, command(context.WithoutCancel(ctx), binary, serveArgs(dir, more...)...), dir)
}

func launchCommand(ctx context.Context, cmd *exec.Cmd, dir string) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p := &process{cmd: cmd, dir: dir, stderr: new(output), done: make(chan struct{})}
	cmd.Stderr = p.stderr
	cmd.WaitDelay = 5 * time.Second
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !p.answers(ctx) {
		select {
		case <-ticker.C:
		case <-p.done:
			return nil, fmt.Errorf("the server ended: %w\n%s", p.err, p.stderr)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("the server does not answer: %w\n%s", ctx.Err(), p.stderr), p.kill())
		}
	}
	p.ready = time.Since(begun)
	secret, err := os.ReadFile(filepath.Join(dir, "token"))
	p.token = strings.TrimSpace(string(secret))
	return p, err
}

// answers reads where the server says that it listens, and asks there.
func (p *process) answers(ctx context.Context) bool {
	text, err := os.ReadFile(filepath.Join(p.dir, "server.json"))
	if err != nil {
		return false
	}
	var address struct {
		URL string `json:"url"`
		PID int    `json:"pid"`
	}
	// After a crash the file is that of the process before.
	if json.Unmarshal(text, &address) != nil || address.PID != p.cmd.Process.Pid {
		return false
	}
	p.url = address.URL
	c := newClient(p.url, "")
	defer c.close()
	a, err := c.send(ctx, "GET", "/healthz", nil)
	return err == nil && a.status == 200
}

// kill ends the process at once, without a chance to do anything.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.done
	return err
}

// terminate asks the process to stop.
func (p *process) terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// end stops the process and waits for it.
func (p *process) end() error {
	if err := p.terminate(); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("the server did not stop within %v\n%s", stopTimeout, p.stderr), p.kill())
	}
	if p.err != nil {
		return fmt.Errorf("the server stopped: %w\n%s", p.err, p.stderr)
	}
	return nil
}

// serve starts the server that most tests use: with the race detector, on the
// data directory, ended with the test. The client is for it.
func serve(t *testing.T, dir string, more ...string) (*process, *client) {
	t.Helper()
	return serveBinary(t, built(t).race, dir, more...)
}

func serveBinary(t *testing.T, binary, dir string, more ...string) (*process, *client) {
	t.Helper()
	p, err := launch(t.Context(), binary, dir, more...)
	require.NoError(t, err)
	return p, p.adopt(t)
}

// adopt ends the process with the test, and returns a client for it.
func (p *process) adopt(t *testing.T) *client {
	t.Helper()
	c := newClient(p.url, p.token)
	t.Cleanup(func() {
		c.close()
		require.NoError(t, p.kill())
		if t.Failed() {
			t.Logf("standard error of process %d:\n%s", p.cmd.Process.Pid, tail(p.stderr.String(), 4000))
		}
	})
	return c
}

func tail(text string, most int) string { return text[max(0, len(text)-most):] }

// stop stops the server, which must end well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.end())
	p.requireClean(t)
}

// requireClean checks that the server reported no race, no panic and no error.
func (p *process) requireClean(t *testing.T) {
	t.Helper()
	p.requireNoRace(t)
	require.NotContains(t, p.stderr.String(), `"level":"ERROR"`)
}

// requireNoRace checks that the server reported no race and no panic.
func (p *process) requireNoRace(t *testing.T) {
	t.Helper()
	text := p.stderr.String()
	for _, sign := range []string{"DATA RACE", "panic", "goroutine "} {
		require.NotContains(t, text, sign)
	}
}

// finished is a command that has ended.
type finished struct {
	code           int
	stdout, stderr string
}

// runToEnd runs a taskhost that ends by itself.
func runToEnd(t *testing.T, cmd *exec.Cmd) finished {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit, "%s", stderr.String())
	}
	return finished{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
