package host

import (
	"context"
	"errors"
)

// take gives an instance for one execution, one that is idle if it may.
func (e *Engine) take(ctx context.Context, m *module, fresh bool, most int64) (i *instance, pooled bool, err error) {
	if fresh || !m.resets {
		e.mu.Lock()
		e.stats.Fresh++
		e.mu.Unlock()
		i, err = m.instantiate(ctx, m.first, most)
		return i, false, err
	}
	e.mu.Lock()
	if last := len(m.idle) - 1; last >= 0 {
		i = m.idle[last]
		m.idle[last] = nil
		m.idle = m.idle[:last]
		pooled = i.memory.Most() >= uint64(most)
	}
	if pooled {
		e.stats.Pooled++
		e.mu.Unlock()
		return i, true, nil
	}
	e.stats.Fresh++
	e.mu.Unlock()
	if i != nil { // it cannot grow as far as this one may
		if err := i.close(ctx); err != nil {
			return nil, false, &hostError{err}
		}
	}
	i, err = m.instantiate(ctx, m.start.image, most)
	return i, false, err
}

// give takes an instance back after an execution that ended as err says.
func (e *Engine) give(ctx context.Context, m *module, i *instance, fresh bool, err error) error {
	if fresh || !m.resets {
		return i.close(ctx)
	}
	if !i.reusable(err) || i.reset() != nil {
		e.mu.Lock()
		e.stats.Discarded++
		e.mu.Unlock()
		return i.close(ctx)
	}
	if e.onReset != nil {
		e.onReset(m, i)
	}
	e.mu.Lock()
	m.idle = append(m.idle, i)
	spare := e.evictInstance()
	e.mu.Unlock()
	if spare != nil {
		return spare.close(ctx)
	}
	return nil
}

// evictInstance takes an instance out where there are too many, of the module that
// was used least recently.
func (e *Engine) evictInstance() *instance {
	count := 0
	var oldest *module
	for _, m := range e.modules {
		if !m.isReady() { // its instances are not the lock's yet
			continue
		}
		count += len(m.idle)
		if len(m.idle) > 0 && (oldest == nil || m.used < oldest.used) {
			oldest = m
		}
	}
	if count <= e.config.IdleInstances {
		return nil
	}
	e.stats.EvictedInstances++
	i := oldest.idle[0]
	oldest.idle = append(oldest.idle[:0], oldest.idle[1:]...)
	return i
}

// evictModules takes modules out until the code of those that are left is within
// bounds, the least recently used first, and never keep or one that is in use.
func (e *Engine) evictModules(keep *module) []*module {
	var evicted []*module
	for {
		total := int64(0)
		var oldest *module
		for _, m := range e.modules {
			if !m.isReady() {
				continue
			}
			total += m.codeBytes
			if m != keep && m.users == 0 && (oldest == nil || m.used < oldest.used) {
				oldest = m
			}
		}
		if total <= e.config.CodeBytes || oldest == nil {
			return evicted
		}
		delete(e.modules, oldest.digest)
		e.stats.EvictedModules++
		evicted = append(evicted, oldest)
	}
}

func closeAll(ctx context.Context, modules []*module) error {
	var err error
	for _, m := range modules {
		err = errors.Join(err, m.close(ctx))
	}
	return err
}
