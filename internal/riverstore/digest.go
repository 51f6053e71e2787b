package riverstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
)

// keyedDigest begins the digests that are keyed. Plain ones are one byte shorter.
const keyedDigest = 1

// plainDigest is the same for arguments that differ in white space only.
func plainDigest(args []byte, argsType string) []byte {
	var compact bytes.Buffer
	if argsType == contentJSON && json.Compact(&compact, args) == nil {
		args = compact.Bytes()
	}
	sum := sha256.Sum256(args)
	return sum[:]
}

// keyDigest makes of a plain digest the one that is stored where data is sealed: a
// hash of arguments tells them to whoever can guess them. It is another one under
// each idempotency key, so that equal arguments do not show either.
func (v *Vault) keyDigest(name, key string, plain []byte) []byte {
	sum := v.hasher.Sum("idempotency", []byte(name), []byte(key), plain)
	return append([]byte{keyedDigest}, sum...)
}

// UniqueKey is what is to be stored in place of a key that is made of arguments.
func (v *Vault) UniqueKey(name string, args []byte, argsType string) []byte {
	plain := plainDigest(args, argsType)
	if v == nil {
		return plain
	}
	return v.keyedUnique(name, plain)
}

func (v *Vault) keyedUnique(name string, plain []byte) []byte {
	return append([]byte{keyedDigest}, v.hasher.Sum("unique", []byte(name), plain)...)
}

// ArgsDigest is what is stored beside the row's idempotency key.
func (r *Row) ArgsDigest() []byte {
	if r.keyed != nil {
		return r.keyed
	}
	return r.plainDigest()
}

// plainDigest is taken of the arguments before they are sealed, if they are.
func (r *Row) plainDigest() []byte {
	if r.plain == nil {
		r.plain = plainDigest(r.Args, r.ArgsType)
	}
	return r.plain
}

// SameArgs reports whether a digest that is stored beside the row's idempotency key
// is that of its arguments. It may have been stored before there were keys.
func (r *Row) SameArgs(stored []byte) bool {
	if len(stored) == sha256.Size {
		return bytes.Equal(stored, r.plainDigest())
	}
	return r.keyed != nil && bytes.Equal(stored, r.keyed)
}
