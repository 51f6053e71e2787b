package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/taskhost/taskhost/host"
)

// RemoveOld removes the directories of modules that are not among stored, by their
// digests, once they have not been used for unused. One that comes back is compiled
// again. It returns what it removed, by the names of directories.
func (p *Pool) RemoveOld(_ context.Context, stored []string, unused time.Duration) (removed []string, err error) {
	before := time.Now().Add(-unused)
	names, err := host.OldModules(p.dir, stored, before)
	for _, name := range names {
		path, one := p.removeOld(name, before)
		if one == nil && path != "" {
			removed = append(removed, name)
			one = os.RemoveAll(path)
		}
		err = errors.Join(err, one)
	}
	return removed, err
}

// removeOld sets the directory of a module aside, and ends its workers, unless it is in
// use.
func (p *Pool) removeOld(name string, before time.Time) (path string, err error) {
	p.mu.Lock()
	var same []*module // a digest can be written in more than one way
	for digest, m := range p.modules {
		if host.CacheName(digest) != name {
			continue
		}
		if m.working != nil || m.attempts > 0 || m.usedAt.After(before) {
			p.mu.Unlock()
			return "", nil
		}
		same = append(same, m)
	}
	var idle []*process
	for _, m := range same {
		idle = append(idle, m.idle...)
		delete(p.modules, m.digest)
	}
	path, err = host.SetAsideOld(p.dir, name)
	p.mu.Unlock()
	for _, w := range idle {
		p.end(w)
	}
	return path, err
}

// begin notes that an attempt at a module has begun, and end that it has ended.
func (p *Pool) begin(digest string) (end func()) {
	add := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.module(digest).attempts += n
	}
	add(1)
	return func() { add(-1) }
}

const (
	probeName = "probe"
	// probeTime is longer than any probe takes.
	probeTime = 10 * time.Minute
)

// removeProbes removes what processes left that died while they probed.
func (p *Pool) removeProbes() error {
	left, err := filepath.Glob(filepath.Join(p.dir, probeName+"*"))
	for _, path := range left {
		if info, statErr := os.Lstat(path); statErr == nil && time.Since(info.ModTime()) > probeTime {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}
