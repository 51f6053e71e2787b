package taskhost

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// oldModuleAge is how long compiled code is kept after its last use where the
	// database does not have its module: a push compiles it before it is stored.
	oldModuleAge = time.Hour
	// oldModuleInterval is how often it is looked for.
	oldModuleInterval = time.Hour
)

// attend begins what a host does from time to time until it stops.
func (h *Host) attend(node string) {
	h.attending.Go(h.removeOldModules)
	if engine, ok := h.engine.(quarantiner); ok {
		h.attending.Go(func() { h.keepQuarantine(node, engine) })
	}
}

// removeOldModules removes compiled code of modules that are stored no more, at start
// and from time to time, until the host stops.
func (h *Host) removeOldModules() {
	ctx := h.ended
	ticker := time.NewTicker(oldModuleInterval)
	defer ticker.Stop()
	for {
		if err := h.removeOldModulesOnce(ctx); err != nil && ctx.Err() == nil {
			h.config.Logger.WarnContext(ctx, "compiled code of old modules could not be removed; trying again", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (h *Host) removeOldModulesOnce(ctx context.Context) error {
	stored, err := h.store.StoredDigests(ctx)
	if err != nil {
		return fmt.Errorf("list the modules that are stored: %w", err)
	}
	removed, err := h.engine.RemoveOld(ctx, stored, oldModuleAge)
	for _, name := range removed {
		h.config.Logger.InfoContext(ctx, "compiled code was removed of a module that is stored no more", slog.String("digest", name))
	}
	return err
}
