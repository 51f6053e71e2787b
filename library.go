package taskhost

import (
	"context"
	"errors"
	"fmt"
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

// inspector lets the library look into modules with the engine.
type inspector struct {
	host *Host
}

var _ modules.Inspector = inspector{}

// compileTimeout bounds how long a pushed module may take to compile.
const compileTimeout = 60 * time.Second

// Inspect implements [modules.Inspector].
func (i inspector) Inspect(ctx context.Context, digest string, wasm []byte) ([]byte, error) {
	if err := i.host.ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	err := i.host.engine.Prepare(ctx, digest, wasm)
	if err != nil {
		return nil, rejected(err)
	}
	manifest, err := i.host.engine.Describe(ctx, digest)
	if err != nil {
		return nil, rejected(err)
	}
	return manifest, i.checkMemory(ctx, digest, manifest)
}

// checkMemory refuses a definition that allows less memory than the module
// starts with: none of its tasks could run.
func (i inspector) checkMemory(ctx context.Context, digest string, manifest []byte) error {
	least, err := i.host.engine.MinMemory(ctx, digest)
	if err != nil {
		return err
	}
	_, definitions, err := modules.ReadManifest(manifest)
	if err != nil {
		return err
	}
	for _, def := range definitions {
		if def.Options.Memory < least {
			return &modules.RejectedError{Reason: fmt.Sprintf("%s may use %d bytes of memory, but the module starts with %d: raise memory_bytes of the definition", def.Name, def.Options.Memory, least)}
		}
	}
	return nil
}

func rejected(err error) error {
	var fault *host.ModuleError
	if errors.As(err, &fault) {
		return &modules.RejectedError{Reason: fault.Reason}
	}
	return err
}
