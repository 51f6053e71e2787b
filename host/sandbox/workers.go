package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host"
)

// module finds what is known of a module. The lock is held.
func (p *Pool) module(digest string) *module {
	m := p.modules[digest]
	if m == nil {
		m = &module{digest: digest}
		p.modules[digest] = m
	}
	p.clock++
	m.used, m.usedAt = p.clock, time.Now()
	return m
}

// take gives a worker that has a module loaded.
func (p *Pool) take(ctx context.Context, digest string) (*process, error) {
	p.mu.Lock()
	m := p.module(digest)
	for len(m.idle) > 0 {
		w := m.idle[len(m.idle)-1]
		m.idle = m.idle[:len(m.idle)-1]
		select {
		case <-w.ended: // while it was idle
			p.mu.Unlock()
			p.end(w)
			p.mu.Lock()
			continue
		default:
		}
		p.mu.Unlock()
		return w, nil
	}
	p.workers++
	p.stats.Started++
	spare := p.spare()
	p.mu.Unlock()
	if spare != nil {
		p.end(spare)
	}
	w, err := p.startFor(ctx, digest)
	if err != nil {
		p.mu.Lock()
		p.workers--
		p.mu.Unlock()
	}
	return w, err
}

// startFor starts a worker and has it load a module.
func (p *Pool) startFor(ctx context.Context, digest string) (_ *process, err error) {
	if err := p.wait(ctx, digest); err != nil {
		return nil, err
	}
	dir, err := os.Open(p.moduleDir(digest))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("module %s %w", digest, host.ErrNotPrepared)
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	host.MarkUsed(dir.Name())
	w, err := p.start(ctx, roleRun, dir)
	if err != nil {
		return nil, err
	}
	w.digest = digest
	m := newMessage(kindLoad)
	m.string(digest)
	if err := m.writeTo(w.in); err != nil {
		return nil, w.failed(err)
	}
	f, err := w.expect(ctx, kindLoaded, maxSmall)
	if err != nil {
		return nil, err
	}
	if err := getError(f); err != nil {
		w.stop()
		return nil, err
	}
	if rebuilt := f.bool(); rebuilt { // what is kept is of no use: compile it again
		p.forget(digest)
	}
	w.walls = append(w.walls, f.strings()...)
	if f.done() != nil {
		return nil, w.failed(errFrame)
	}
	for _, wall := range p.walls { // each worker stands behind what Walls tells of
		if wall.Stands && !slices.Contains(p.outer(), wall.Name) && !slices.Contains(w.walls, wall.Name) {
			w.stop()
			return nil, fmt.Errorf("a sandbox worker could not build the wall %q", wall.Name)
		}
	}
	return w, nil
}

// spare takes an idle worker out where there are too many, of the module that was
// used least recently. The lock is held.
func (p *Pool) spare() *process {
	if p.workers <= p.config.Workers {
		return nil
	}
	var oldest *module
	for _, m := range p.modules {
		if len(m.idle) > 0 && (oldest == nil || m.used < oldest.used) {
			oldest = m
		}
	}
	if oldest == nil {
		return nil
	}
	w := oldest.idle[0]
	oldest.idle = append(oldest.idle[:0], oldest.idle[1:]...)
	return w
}

// give takes a worker back.
func (p *Pool) give(w *process, reusable bool) {
	w.runs++
	p.mu.Lock()
	keep := reusable && w.runs < p.config.MaxRuns && !p.closed
	var spare *process
	if keep {
		m := p.module(w.digest)
		m.idle = append(m.idle, w)
		spare = p.spare()
	}
	p.mu.Unlock()
	if !keep {
		p.end(w)
	}
	if spare != nil {
		p.end(spare)
	}
}

// end ends a worker that was counted.
func (p *Pool) end(w *process) {
	w.stop()
	p.mu.Lock()
	p.workers--
	p.mu.Unlock()
}

// wait waits until nobody compiles a module, whose files may not be whole till then.
func (p *Pool) wait(ctx context.Context, digest string) error {
	for {
		p.mu.Lock()
		m := p.module(digest)
		working, ready := m.working, p.isReady(m)
		p.mu.Unlock()
		switch {
		case working == nil && ready:
			return nil
		case working == nil:
			return fmt.Errorf("module %s %w", digest, host.ErrNotPrepared)
		}
		select {
		case <-working:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
