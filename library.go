package taskhost

import (
	"context"
	"errors"
	"time"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/modules"
)

// moduleStore is the store as the library sees it: one that says so when the host
// has been stopped.
type moduleStore struct {
	host *Host
}

var _ modules.Store = moduleStore{}

// PutVersion implements [modules.Store].
func (s moduleStore) PutVersion(ctx context.Context, version modules.Version, wasm []byte) (*modules.Version, error) {
	stored, err := s.host.store.PutVersion(ctx, version, wasm)
	return stored, s.host.orStopped(err)
}

// LiveVersions implements [modules.Store].
func (s moduleStore) LiveVersions(ctx context.Context) ([]modules.Version, error) {
	versions, err := s.host.store.LiveVersions(ctx)
	return versions, s.host.orStopped(err)
}

// Versions implements [modules.Store].
func (s moduleStore) Versions(ctx context.Context, module string) ([]modules.Version, error) {
	versions, err := s.host.store.Versions(ctx, module)
	return versions, s.host.orStopped(err)
}

// Wasm implements [modules.Store].
func (s moduleStore) Wasm(ctx context.Context, digest string) ([]byte, error) {
	wasm, err := s.host.store.Wasm(ctx, digest)
	return wasm, s.host.orStopped(err)
}

// Quarantined implements [modules.Store].
func (s moduleStore) Quarantined(ctx context.Context) ([]modules.Quarantine, error) {
	list, err := s.host.store.Quarantined(ctx)
	return list, s.host.orStopped(err)
}

// inspector lets the library look into modules with the engine.
type inspector struct {
	host *Host
}

var _ modules.Inspector = inspector{}

// compileTimeout bounds how long a pushed module may take to compile.
const compileTimeout = compileFactor * 60 * time.Second

// Inspect implements [modules.Inspector].
func (i inspector) Inspect(ctx context.Context, digest string, wasm []byte) (*modules.Inspection, error) {
	if err := i.host.ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	found, err := i.host.engine.Inspect(ctx, digest, wasm)
	if err != nil {
		return nil, rejected(err)
	}
	return &modules.Inspection{Command: found.Command, Manifest: found.Manifest, MinMemory: found.MinMemory, Note: found.Note}, nil
}

func rejected(err error) error {
	var fault *host.ModuleError
	if errors.As(err, &fault) {
		return &modules.RejectedError{Reason: fault.Reason}
	}
	return err
}
