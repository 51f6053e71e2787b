package riverstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/internal/seal"
)

// Vault seals what is private of tasks before it reaches the database, and opens
// what comes from there. The nil Vault leaves everything in clear, and opens nothing
// that is sealed.
type Vault struct {
	ring   *seal.Ring
	secret []byte
	hasher *seal.Hasher
	book   KeyBook
}

// SealKey is one of the keys that a database has data under.
type SealKey struct {
	ID string
	// Secret is the secret of the database's hashes, sealed under the key. It is also
	// what tells whether a key is the right one.
	Secret []byte
}

// KeyBook is where a database remembers the keys.
type KeyBook interface {
	// SealKeys lists them.
	SealKeys(ctx context.Context) ([]SealKey, error)
	// AddSealKeys adds what decide makes of those that are there. Nobody else adds
	// any meanwhile.
	AddSealKeys(ctx context.Context, decide func(known []SealKey) ([]SealKey, error)) error
	// DropSealKey takes one out.
	DropSealKey(ctx context.Context, id string) error
	// KeyUse counts what is stored under each key.
	KeyUse(ctx context.Context) ([]KeyUse, error)
}

// OpenVault makes the vault of a database: nil for no keys. It refuses keys that
// cannot open what the database has, and has the database remember the one that seals.
func OpenVault(ctx context.Context, book KeyBook, keys []string) (*Vault, error) {
	ring, err := seal.Parse(keys)
	if err != nil {
		return nil, err
	}
	v := &Vault{ring: ring, book: book}
	if err := v.remember(ctx); err != nil || ring == nil {
		return nil, err
	}
	return v, nil
}

// Remember has the database know the key again that this process seals with, where
// somebody has taken it for unused.
func (v *Vault) Remember(ctx context.Context) error {
	if v == nil {
		return nil
	}
	return v.remember(ctx)
}

func (v *Vault) remember(ctx context.Context) error {
	known, err := v.book.SealKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the keys of the database: %w", err)
	}
	// Most often there is nothing to add, and then nothing is written.
	secret, added, err := v.unlock(known)
	if err == nil && len(added) > 0 {
		err = v.book.AddSealKeys(ctx, func(known []SealKey) ([]SealKey, error) {
			var err error
			secret, added, err = v.unlock(known)
			return added, err
		})
	}
	if err == nil && v.hasher == nil && secret != nil {
		v.secret, v.hasher = secret, seal.NewHasher(secret)
	}
	return err
}

// unlock finds the database's secret, and returns what the database is to remember.
func (v *Vault) unlock(known []SealKey) (secret []byte, added []SealKey, err error) {
	secret = v.secret
	var missing []string
	ids := make(map[string]bool)
	for _, k := range known {
		ids[k.ID] = true
		if v.ring == nil || !slices.Contains(v.ring.IDs(), k.ID) {
			missing = append(missing, k.ID)
			continue
		}
		opened, err := v.ring.Open(secretPlace(k.ID), k.Secret)
		if err != nil || len(opened) != seal.SecretBytes || secret != nil && !bytes.Equal(secret, opened) {
			return nil, nil, fmt.Errorf("what the database keeps to tell the key %s by was changed: restore the table seal_key from a backup", k.ID)
		}
		secret = opened
	}
	if len(missing) > 0 {
		return nil, nil, missingKeys(missing, v.ring)
	}
	if v.ring == nil {
		return nil, nil, nil
	}
	if secret == nil {
		secret = seal.NewSecret()
	}
	// Only the one that seals: another would be asked for at each start to come, and
	// there may be nothing that it opens.
	if id := v.ring.Current(); !ids[id] {
		added = append(added, SealKey{ID: id, Secret: v.ring.Seal(secretPlace(id), secret)})
	}
	return secret, added, nil
}

func secretPlace(id string) seal.Place { return seal.Place{Field: fieldSecret, Owner: []byte(id)} }

// missingKeys says what to do.
func missingKeys(missing []string, ring *seal.Ring) error {
	which, it := "key "+missing[0], "it"
	if len(missing) > 1 {
		which, it = "keys "+strings.Join(missing, ", "), "them"
	}
	given := "no encryption key was given"
	if ring != nil {
		given = "the encryption keys that were given are " + strings.Join(ring.IDs(), ", ")
	}
	return fmt.Errorf("the database holds data that is sealed under the %s, and %s: give %s too, behind the first where others are to seal (Config.EncryptArgsKeys, TASKHOST_ENCRYPT_KEYS or encrypt_key_file); 'taskhost key reencrypt' takes a key out of use that all of it was sealed under, and docs/encryption.md says what to do where one is lost",
		which, given, it)
}

// KeyID is the id of the key that seals, empty where nothing is sealed.
func (v *Vault) KeyID() string {
	if v == nil {
		return ""
	}
	return v.ring.Current()
}

// KeyIDs are the ids of all keys that open.
func (v *Vault) KeyIDs() []string {
	if v == nil {
		return nil
	}
	return v.ring.IDs()
}
