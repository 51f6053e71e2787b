// Package seal encrypts what is private of a task before it is stored. A [Ring]
// holds the keys that an operator gave: the first seals, all of them open.
//
// What was sealed is bound to where it belongs, so that somebody who can write to
// the database cannot move it to another task or into another column.
package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// The form of what is sealed: a byte for the version, the id of the key, a random
// nonce, and the ciphertext with its tag.
const (
	version   = 1
	idBytes   = 8
	keyBytes  = 32
	headBytes = 1 + idBytes + nonceBytes

	// Overhead is by how much sealed bytes are longer than clear ones.
	Overhead = headBytes + tagBytes
)

// Where the key id stands in sealed bytes, for SQL, which counts from 1.
const (
	IDStart  = 2
	IDLength = idBytes
)

// ErrDamaged is returned for bytes that were not sealed under the key that they
// name and for the place that they are in: they were changed, cut, or moved.
var ErrDamaged = errors.New("what is stored is not what was sealed there: it was changed, or belongs elsewhere")

// UnknownKeyError is returned for bytes that were sealed under a key that the ring
// does not have.
type UnknownKeyError struct{ KeyID string }

func (e *UnknownKeyError) Error() string {
	return "sealed under the key " + e.KeyID + ", which was not given"
}

// Ring is some keys, of which the first seals. It is safe for concurrent use.
type Ring struct {
	keys []*key
}

// key is what follows from a key that an operator gave.
type key struct {
	id     [idBytes]byte
	cipher *xaes
}

// NewKey makes a key: 32 random bytes as URL-safe base64, which is the format of
// Fernet keys.
func NewKey() string {
	var raw [keyBytes]byte
	_, _ = rand.Read(raw[:]) // it never fails
	return base64.URLEncoding.EncodeToString(raw[:])
}

// Parse makes a ring of keys in the format of [NewKey], with padding or without. A
// key that is given twice counts once. It returns nil for no keys. Its errors say
// which key is wrong, by its place, and never what it is.
func Parse(texts []string) (*Ring, error) {
	if len(texts) == 0 {
		return nil, nil //nolint:nilnil // no keys make no ring
	}
	r := new(Ring)
	for i, text := range texts {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
		if err != nil || len(raw) != keyBytes {
			return nil, fmt.Errorf("encryption key %d is not the URL-safe base64 of 32 bytes: 'taskhost key new' makes one", i+1)
		}
		k, err := newKey(raw)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", i+1, err)
		}
		if r.key(k.id) == nil {
			r.keys = append(r.keys, k)
		}
	}
	return r, nil
}

// newKey derives the id and the cipher, each by a name of its own: the id is shown,
// and tells nothing of the key.
func newKey(raw []byte) (*key, error) {
	k := new(key)
	id, err := hkdf.Key(sha256.New, raw, nil, "taskhost key id 1", idBytes)
	if err != nil {
		return nil, err
	}
	copy(k.id[:], id)
	sub, err := hkdf.Key(sha256.New, raw, nil, "taskhost seal 1", keyBytes)
	if err != nil {
		return nil, err
	}
	k.cipher, err = newXAES(sub)
	return k, err
}

func (r *Ring) key(id [idBytes]byte) *key {
	for _, k := range r.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// Current is the id of the key that seals.
func (r *Ring) Current() string { return hex.EncodeToString(r.keys[0].id[:]) }

// IDs are the ids of all keys, that of the one that seals first.
func (r *Ring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = hex.EncodeToString(k.id[:])
	}
	return ids
}

// Place says where sealed bytes belong.
type Place struct {
	// Field names the column, or the purpose.
	Field string
	// Owner names the row.
	Owner []byte
}

// aad is what is authenticated beside the ciphertext: all that says what it is. The
// lengths keep a field and an owner from being taken for others.
func (k *key) aad(p Place) []byte {
	out := make([]byte, 0, 32+len(p.Field)+len(p.Owner))
	out = append(out, "taskhost"...)
	out = append(out, version)
	out = append(out, k.id[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(p.Field))) //nolint:gosec // a word of ours
	out = append(out, p.Field...)
	return append(out, p.Owner...)
}

// Seal encrypts bytes for a place. Sealing the same twice gives different bytes.
func (r *Ring) Seal(p Place, text []byte) []byte {
	k := r.keys[0]
	out := make([]byte, headBytes, Overhead+len(text))
	out[0] = version
	copy(out[1:], k.id[:])
	nonce := out[1+idBytes : headBytes]
	_, _ = rand.Read(nonce) // it never fails
	return k.cipher.seal(out, nonce, text, k.aad(p))
}

// Open decrypts what was sealed for that place. It returns an *[UnknownKeyError], or
// [ErrDamaged].
func (r *Ring) Open(p Place, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	k := r.key([idBytes]byte(sealed[1:]))
	if k == nil {
		return nil, &UnknownKeyError{KeyID(sealed)}
	}
	text, err := k.cipher.open(sealed[1+idBytes:headBytes], sealed[headBytes:], k.aad(p))
	if err != nil {
		return nil, ErrDamaged
	}
	return text, nil
}

// KeyID is the id of the key that bytes were sealed under, empty for what cannot
// have been.
func KeyID(sealed []byte) string {
	if len(sealed) < Overhead {
		return ""
	}
	return hex.EncodeToString(sealed[1 : 1+idBytes])
}

// pairBytes is what a pair is longer than its parts.
const pairBytes = 4

// Pair joins two texts that are sealed as one.
func Pair(a, b []byte) []byte {
	out := make([]byte, 0, pairBytes+len(a)+len(b))
	out = binary.BigEndian.AppendUint32(out, uint32(len(a))) //nolint:gosec // texts are cut at some KiB
	out = append(out, a...)
	return append(out, b...)
}

// Unpair is the inverse of [Pair].
func Unpair(pair []byte) (a, b []byte, err error) {
	if len(pair) < pairBytes || uint64(binary.BigEndian.Uint32(pair)) > uint64(len(pair)-pairBytes) {
		return nil, nil, ErrDamaged
	}
	end := pairBytes + int(binary.BigEndian.Uint32(pair))
	return bytes.Clone(pair[pairBytes:end]), bytes.Clone(pair[end:]), nil
}
