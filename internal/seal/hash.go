package seal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// SecretBytes is the length of the secret of a [Hasher].
const SecretBytes = 32

// NewSecret makes the secret of a [Hasher].
func NewSecret() []byte {
	secret := make([]byte, SecretBytes)
	_, _ = rand.Read(secret) // it never fails
	return secret
}

// Hasher makes hashes that only who has its secret can make: a plain hash of
// arguments could be found by trying those that are likely.
//
// The secret is the database's and not one of the ring's keys, under which it is
// kept sealed: hashes must stay what they are when keys change, also those of
// arguments that are not there any more.
type Hasher struct{ secret []byte }

// NewHasher returns a hasher.
func NewHasher(secret []byte) *Hasher { return &Hasher{secret} }

// Sum hashes parts for a purpose: others have other hashes.
func (h *Hasher) Sum(purpose string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, h.secret)
	write := func(part []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write(part)
	}
	write([]byte(purpose))
	for _, part := range parts {
		write(part)
	}
	return mac.Sum(nil)
}
