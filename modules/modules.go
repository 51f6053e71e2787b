package modules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	"github.com/taskhost/taskhost/task"
)

// MaxBytes bounds an uploaded module.
const MaxBytes = 64 << 20

// Version is one uploaded version of a module.
type Version struct {
	// Module is the module's name, Version its number: 1, 2, 3…
	Module  string `json:"module"`
	Version int    `json:"version"`
	// Digest is the sha256 of the bytes, in hexadecimal; Bytes their number.
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"`
	// SDK is what the module says that it was built with.
	SDK string `json:"sdk,omitempty"`
	// Live is set on the version that new tasks run.
	Live        bool              `json:"live"`
	CreatedAt   time.Time         `json:"created_at"`
	Definitions []task.Definition `json:"definitions"`
	// Quarantine lists the nodes that do not run the version any more.
	Quarantine []Quarantine `json:"quarantine,omitempty"`
	// Note is what the push that made this has to tell its author. It is not
	// stored.
	Note string `json:"note,omitempty"`
}

// Store keeps modules. Each method is one transaction.
type Store interface {
	// PutVersion stores a version under the next number and makes it live. A
	// version of the module with the same digest is made live again in place
	// of storing it twice. It returns a *task.ConflictError where another
	// module or a Go function has one of the definitions' names.
	PutVersion(ctx context.Context, version Version, wasm []byte) (*Version, error)
	// LiveVersions lists the live version of each module, by name.
	LiveVersions(ctx context.Context) ([]Version, error)
	// Versions lists a module's versions, newest first. It returns
	// task.ErrNotFound where there is no such module.
	Versions(ctx context.Context, module string) ([]Version, error)
	// Wasm returns the bytes with that digest.
	Wasm(ctx context.Context, digest string) ([]byte, error)
	// Quarantined lists the modules that nodes which live have set aside.
	Quarantined(ctx context.Context) ([]Quarantine, error)
}

// Inspector looks into a module's bytes.
type Inspector interface {
	// Inspect checks that a module can be run and returns what it is. It
	// returns a *RejectedError where the module is at fault.
	Inspect(ctx context.Context, digest string, wasm []byte) (*Inspection, error)
}

// Inspection is what an [Inspector] found.
type Inspection struct {
	// Command says that the module is a WASI command. It declares nothing, and
	// has one definition, which the library makes up.
	Command bool
	// Manifest is what any other module declares.
	Manifest []byte
	// MinMemory is the memory that the module starts with, in bytes.
	MinMemory int64
	// Note is for the author of the module, and may be empty.
	Note string
}

// RejectedError says why a module was not taken.
type RejectedError struct {
	Reason string
}

func (e *RejectedError) Error() string { return "the module was rejected: " + e.Reason }

// Library pushes and finds modules. It is safe for concurrent use.
type Library struct {
	store     Store
	inspector Inspector
	ceilings  task.Ceilings
}

// NewLibrary returns a library over a store, for modules whose definitions ask for
// no more than the ceilings allow.
func NewLibrary(store Store, inspector Inspector, ceilings task.Ceilings) *Library {
	return &Library{store: store, inspector: inspector, ceilings: ceilings}
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Push verifies a module, stores it as the next version of its name and makes
// that version live: tasks that are enqueued from now on run it, and those that
// wait keep the version that they were enqueued with. Pushing the bytes of an
// earlier version makes that version live again. A WASI command becomes the one
// task of that name. Push returns a *RejectedError where the module is at fault,
// a *task.InvalidError where the name is, a *task.ConflictError where a
// definition's name is taken.
func (l *Library) Push(ctx context.Context, name string, wasm []byte) (*Version, error) {
	if !namePattern.MatchString(name) {
		return nil, &task.InvalidError{Field: "name", Problem: fmt.Sprintf("%.80q must be 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit", name)}
	}
	if len(wasm) > MaxBytes {
		return nil, &task.InvalidError{Field: "module", Problem: fmt.Sprintf("is %d bytes, at most %d are allowed", len(wasm), MaxBytes), TooLarge: true}
	}
	digest := Digest(wasm)
	found, err := l.inspector.Inspect(ctx, digest, wasm)
	if err != nil {
		return nil, err
	}
	version := Version{Module: name, Digest: digest, Bytes: int64(len(wasm))}
	version.SDK, version.Definitions, err = found.definitions(name, l.ceilings)
	if err != nil {
		return nil, err
	}
	if err := found.checkMemory(version.Definitions); err != nil {
		return nil, err
	}
	stored, err := l.store.PutVersion(ctx, version, wasm)
	if err != nil {
		return nil, fmt.Errorf("store module %s: %w", name, err)
	}
	stored.Note = found.Note
	return stored, nil
}

// List returns the live version of each module, by name.
func (l *Library) List(ctx context.Context) ([]Version, error) {
	versions, err := l.store.LiveVersions(ctx)
	if err != nil {
		return nil, err
	}
	return l.withQuarantine(ctx, versions)
}

// Versions returns a module's versions, newest first, or task.ErrNotFound.
func (l *Library) Versions(ctx context.Context, module string) ([]Version, error) {
	versions, err := l.store.Versions(ctx, module)
	if err != nil {
		return nil, err
	}
	return l.withQuarantine(ctx, versions)
}

// Digest is the name of bytes: their sha256 in hexadecimal.
func Digest(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}
