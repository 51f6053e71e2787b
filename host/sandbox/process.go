package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host"
)

// process is a worker as its parent sees it. One goroutine uses it at a time, but
// for kill.
type process struct {
	cmd      *exec.Cmd
	in       *os.File
	out      *bufio.Reader
	read     *os.File // what out reads from
	lifeline *os.File
	room     []byte
	said     tail // on standard error
	walls    []string

	ended chan struct{} // closed once the process is gone
	state *os.ProcessState
	why   error // why the parent killed it, nil where it did not

	digest string
	runs   int
	mu     sync.Mutex // guards why
}

// nobody is the user that workers are where the host is root.
const nobody = 65534

// readyTimeout bounds how long a worker may take to say that it is there.
const readyTimeout = 10 * time.Second

// start starts a worker for the module in a directory, and waits until it is there.
func (p *Pool) start(ctx context.Context, role string, dir *os.File) (_ *process, err error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	read, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, closeFiles(childIn, in))
	}
	childLife, lifeline, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, closeFiles(childIn, in, read, childOut))
	}
	w := &process{
		in: in, read: read, lifeline: lifeline,
		out:   bufio.NewReaderSize(read, 64<<10),
		ended: make(chan struct{}),
	}
	cmd := exec.Command(p.command[0], p.command[1:]...) //nolint:gosec,noctx // the program itself; it is ended by the pool
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childIn, childOut, &w.said
	cmd.Env = p.environment(role, dir)
	cmd.WaitDelay = time.Second
	p.confine(cmd, childLife, dir)
	w.cmd = cmd
	err = p.spawn(cmd.Start)
	err = errors.Join(err, closeFiles(childIn, childOut, childLife))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a sandbox worker: %w", err), closeFiles(in, read, lifeline))
	}
	go func() {
		_ = cmd.Wait()
		w.state = cmd.ProcessState
		close(w.ended)
	}()
	waiting, cancel := context.WithTimeoutCause(ctx, readyTimeout, errors.New("it did not start in time"))
	defer cancel()
	f, err := w.expect(waiting, kindReady, maxSmall)
	if err == nil {
		if w.walls = f.strings(); f.done() != nil {
			err = w.failed(errFrame)
		}
	}
	if err != nil {
		level := slog.LevelWarn
		if len(p.walls) == 0 || ctx.Err() != nil { // it is being found out what works here, or it is not wanted any more
			level = slog.LevelDebug
		}
		p.config.Logger.Log(ctx, level, "a sandbox worker did not start", slog.Any("error", err),
			slog.String("stderr", host.Clean(w.said.String(), headBytes+tailBytes)))
		// No deathError: it is not the doing of a module that has not been loaded.
		return nil, fmt.Errorf("start a sandbox worker: %s", err.Error())
	}
	return w, nil
}

// environment is all that a worker is told of the outside.
func (p *Pool) environment(role string, dir *os.File) []string {
	memory := p.config.WorkerMemory
	if role == roleCompile {
		memory = p.config.CompileMemory
	}
	return append([]string{
		roleVar + "=" + role,
		memoryVar + "=" + strconv.FormatInt(memory, 10),
		"GOMAXPROCS=2", // one for the guest, one to look after it
		"GOTRACEBACK=single",
	}, moduleEnvironment(dir)...)
}

// maxSmall bounds a frame of a few words, and maxInspected one with what a module is, in
// bytes: a worker that lies about a length costs no more.
const (
	maxSmall     = 64 << 10
	maxInspected = 2 << 20
)

// expect reads a frame, which must be of a kind and not too long. Where it does not come the worker is
// killed, and the error says what has become of it.
func (w *process) expect(ctx context.Context, want kind, most int) (*fields, error) {
	release := w.killWhenDone(ctx)
	k, f, err := readFrame(w.out, most, &w.room)
	release()
	if err == nil && k != want {
		err = errFrame
	}
	if err != nil {
		return nil, w.failed(err)
	}
	return f, nil
}

// killWhenDone kills the worker when the context ends, until the function that it
// returns is called.
func (w *process) killWhenDone(ctx context.Context) func() {
	done := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(done)
		w.kill(context.Cause(ctx))
	})
	return func() {
		if !release() {
			<-done
		}
	}
}

// kill ends the worker at once. It may be called from any goroutine.
func (w *process) kill(why error) {
	w.mu.Lock()
	if w.why == nil {
		w.why = why
	}
	w.mu.Unlock()
	_ = w.cmd.Process.Kill() // it may be gone
	// A process that it has made, if it found a way to, would hold the pipes open.
	past := time.Unix(1, 0)
	_ = errors.Join(w.read.SetReadDeadline(past), w.in.SetWriteDeadline(past))
}

// failed makes sure that a worker is gone which did not do what it should, and says
// why.
func (w *process) failed(err error) error {
	w.kill(err)
	<-w.ended
	_ = closeFiles(w.in, w.read, w.lifeline)
	return &deathError{cause: w.cause(err)}
}

// stop ends a worker that has nothing to do.
func (w *process) stop() {
	_ = closeFiles(w.in, w.lifeline)
	w.kill(errStopped)
	<-w.ended
	_ = w.read.Close()
}

var errStopped = errors.New("it is not needed any more")

// deathError says what a worker died of.
type deathError struct{ cause string }

func (e *deathError) Error() string { return "the sandbox worker ended: " + e.cause }

// cause says what a worker died of, in words for tenants.
func (w *process) cause(err error) string {
	w.mu.Lock()
	why := w.why
	w.mu.Unlock()
	switch {
	case w.said.contains("out of memory"), w.said.contains("cannot allocate memory"),
		w.said.contains("pthread_create failed"), w.said.contains("failed to create new OS thread"): // for its stack
		return "out of memory"
	case errors.Is(err, errFrame):
		return "it broke the protocol"
	case why != nil && !errors.Is(why, err):
		return why.Error()
	case w.state == nil:
		return "unknown"
	default:
		return w.state.String() // an exit code or a signal
	}
}

// tail keeps the beginning, where a runtime says what it died of, and the end of what a
// worker writes to standard error. It is for the operator: it can have paths of the host.
type tail struct {
	mu   sync.Mutex
	head []byte
	text []byte
}

const (
	headBytes = 2 << 10
	tailBytes = 8 << 10
)

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := min(len(p), headBytes-len(t.head))
	t.head = append(t.head, p[:first]...)
	t.text = append(t.text, p[first:]...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) contains(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.head, []byte(text)) || bytes.Contains(t.text, []byte(text))
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.head) + string(t.text)
}

func closeFiles(files ...io.Closer) error {
	var err error
	for _, file := range files {
		err = errors.Join(err, file.Close())
	}
	return err
}
