package taskhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/task"
)

// quarantineInterval is how often a node tells which modules it has set aside, and asks
// which of them were released.
const quarantineInterval = time.Second

// quarantiner is an engine that sets modules aside.
type quarantiner interface {
	Quarantined() []sandbox.QuarantineError
	Release(digest string)
}

var _ quarantiner = (*sandbox.Pool)(nil)

// ReleaseModule has a version of a module run again that is in quarantine: the workers
// of it died several times in a row on some node, and its tasks wait there. 0 stands for
// all versions. Other nodes hear of it within a second, and tasks that wait for it go on
// within half a minute. It returns the versions that were in quarantine, and
// [task.ErrNotFound] where there is no such version.
func (h *Host) ReleaseModule(ctx context.Context, module string, version int) (released []int, err error) {
	versions, err := h.library.Versions(ctx, module)
	if err != nil {
		return nil, err
	}
	released = []int{}
	var digests []string
	for i := range versions {
		v := &versions[i]
		if version != 0 && v.Version != version {
			continue
		}
		digests = append(digests, v.Digest)
		if len(v.Quarantine) > 0 {
			released = append(released, v.Version)
		}
	}
	if len(digests) == 0 {
		return nil, fmt.Errorf("version %d of module %s: %w", version, module, task.ErrNotFound)
	}
	if err := h.store.Release(ctx, digests); err != nil {
		return nil, h.orStopped(err)
	}
	if engine, ok := h.engine.(quarantiner); ok { // also what it has not told yet
		for _, digest := range digests {
			engine.Release(digest)
		}
	}
	h.config.Logger.InfoContext(ctx, "a module was released from quarantine", slog.String("module", module), slog.Any("versions", released))
	return released, nil
}

// keepQuarantine tells the store what this node has set aside, and releases what
// somebody released there, until the host stops.
func (h *Host) keepQuarantine(node string, engine quarantiner) {
	ctx := h.ended
	ticker := time.NewTicker(quarantineInterval)
	defer ticker.Stop()
	told := make(map[string]bool)
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := h.exchangeQuarantine(ctx, node, engine, told)
		if err != nil && ctx.Err() == nil && !failing {
			h.config.Logger.WarnContext(ctx, "modules in quarantine could not be exchanged with the database; trying again", slog.Any("error", err))
		}
		failing = err != nil
	}
}

// exchangeQuarantine asks nothing while nothing is set aside. told is what the store
// was told and has not released.
func (h *Host) exchangeQuarantine(ctx context.Context, node string, engine quarantiner, told map[string]bool) (err error) {
	if len(told) > 0 {
		aside, err := h.store.StillAside(ctx, node)
		if err != nil {
			return err
		}
		still := make(map[string]bool, len(aside))
		for _, digest := range aside {
			still[digest] = true
		}
		for digest := range told {
			if !still[digest] {
				delete(told, digest)
				engine.Release(digest)
			}
		}
	}
	for _, q := range engine.Quarantined() {
		if told[q.Digest] {
			continue
		}
		if one := h.store.SetAside(ctx, node, q.Digest, q.Reason()); one != nil {
			err = errors.Join(err, one)
			continue
		}
		told[q.Digest] = true
		h.config.Logger.WarnContext(ctx, "a module is in quarantine on this node: its tasks wait until it is released",
			slog.String("digest", q.Digest), slog.String("reason", q.Reason()))
	}
	return err
}
