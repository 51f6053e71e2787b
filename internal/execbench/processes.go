package execbench

import (
	"bytes"
	"context"
	_ "embed" // for the sources of programs
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed native/main.go
var nativeSource []byte

// openExec starts a program of this machine for each execution. It is linked
// statically, as it is without cgo.
func openExec(ctx context.Context, b *bench, g *guest) (*subject, error) {
	source, program := filepath.Join(b.dir, "main.go"), filepath.Join(b.dir, "native")
	if err := os.WriteFile(source, nativeSource, 0o600); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, source)
	build.Dir = b.dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, &missingError{"there is no go command on the PATH"}
	}
	if err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, output)
	}
	return calling(func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, program)
		cmd.Stdin = bytes.NewReader(g.input)
		output, err := cmd.Output()
		if err != nil {
			return err
		}
		return g.check(output)
	}), nil
}

//go:embed pool.py
var poolScript []byte

// pythonPool is a Python program with a pool of processes.
type pythonPool struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	answer *json.Decoder
	said   bytes.Buffer // on standard error
}

// poolEnd is how long Python may take to end its pool.
const poolEnd = 5 * time.Second

// openPython starts a warm pool of two processes.
func openPython(ctx context.Context, b *bench, g *guest) (_ *subject, err error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, &missingError{"there is no python3 on the PATH"}
	}
	script := filepath.Join(b.dir, "pool.py")
	if err := os.WriteFile(script, poolScript, 0o600); err != nil {
		return nil, err
	}
	p := &pythonPool{}
	// Where the pool would be killed, its processes would stay. They end with its input.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), python, script, hex.EncodeToString(g.input))
	p.cmd.Stderr = &p.said
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answer = json.NewDecoder(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, &missingError{fmt.Sprintf("python3 cannot be started: %v", err)}
	}
	defer context.AfterFunc(ctx, func() { _ = p.stdin.Close() })()
	var ready struct{ Python string }
	if err := p.answer.Decode(&ready); err != nil {
		closing := p.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &missingError{fmt.Sprintf("python3 cannot start a pool of processes: %v", errors.Join(closing, err))}
	}
	b.python = ready.Python
	return &subject{measure: p.measure, close: func(context.Context) error { return p.close() }}, nil
}

func (p *pythonPool) measure(ctx context.Context, d time.Duration, goroutines int) (*sample, error) {
	defer context.AfterFunc(ctx, func() { _ = p.stdin.Close() })()
	if _, err := fmt.Fprintf(p.stdin, "%f %d\n", d.Seconds(), goroutines); err != nil {
		return nil, p.broken(err)
	}
	var found struct {
		Elapsed time.Duration
		Times   []time.Duration
	}
	if err := p.answer.Decode(&found); err != nil {
		return nil, p.broken(err)
	}
	out := &sample{elapsed: found.Elapsed}
	for _, t := range found.Times {
		out.times.add(t)
	}
	return out, nil
}

func (p *pythonPool) broken(err error) error {
	return fmt.Errorf("the pool of processes is gone: %w", errors.Join(p.close(), err))
}

// close ends the pool, and says what it had to say if it did not end well.
func (p *pythonPool) close() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	_ = p.stdin.Close()
	kill := time.AfterFunc(poolEnd, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.cmd.Wait(); err != nil {
		lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
		return fmt.Errorf("python3: %w: %s", err, lines[len(lines)-1])
	}
	return nil
}
