package taskhost

import (
	"context"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/internal/seal"
)

// KeyUse counts what a database holds under one key, or in clear.
type KeyUse = riverstore.KeyUse

// Resealed is what came of [Host.Reencrypt].
type Resealed = riverstore.Resealed

// NewKey makes a key for [Config.EncryptArgsKeys].
func NewKey() string { return seal.NewKey() }

// KeyIDs are the ids of [Config.EncryptArgsKeys], that of the one that seals first. An
// id tells keys apart, and nothing about them.
func (h *Host) KeyIDs() []string { return h.store.KeyIDs() }

// KeyUse counts what the database holds under each key, and in clear. It reads all of
// the tasks, which takes a while where there are many.
func (h *Host) KeyUse(ctx context.Context) ([]KeyUse, error) {
	uses, err := h.store.KeyUse(ctx)
	return uses, h.orStopped(err)
}

// Reencrypt seals all that the database holds under the first of
// [Config.EncryptArgsKeys], what is in clear too. It works on a few rows at a time,
// while hosts work the database, and can be broken off and begun again. progress,
// which may be nil, is told how much is done, of about how much.
//
// What [Host.Seal] has made is not in the database, and stays as it is.
func (h *Host) Reencrypt(ctx context.Context, progress func(done, total int64)) (*Resealed, error) {
	out, err := h.store.Reencrypt(ctx, progress)
	return out, h.orStopped(err)
}

// Seal seals data of the program's own under the first of [Config.EncryptArgsKeys].
// Only [Host.Open] with the same name opens it: give what it belongs to, such as
// "invoice 17", so that nobody can exchange it for other data.
func (h *Host) Seal(name string, data []byte) ([]byte, error) { return h.store.SealFor(name, data) }

// Open opens what [Host.Seal] made, under any of the keys. It returns a
// *task.SealedError where there is no key for it, and where it was changed.
func (h *Host) Open(name string, sealed []byte) ([]byte, error) { return h.store.OpenFor(name, sealed) }
