package seal

import (
	"crypto/aes"
	"crypto/cipher"
)

const (
	nonceBytes = 24
	tagBytes   = 16
	// half of the nonce makes the message's key, the other half is GCM's nonce.
	half = nonceBytes / 2
)

// xaes is XAES-256-GCM (https://c2sp.org/XAES-256-GCM): AES-256-GCM with a key that
// is derived for each message from the first half of a 192-bit nonce. Nonces that
// long can be random, for any number of messages and from any number of processes,
// where those of plain GCM would have to be counted: two messages under one of those
// give both away.
//
// The key is derived by the key's own CMAC, in counter mode as of NIST SP 800-108:
// two blocks of AES.
type xaes struct {
	block cipher.Block
	// k1 is the subkey that CMAC uses for messages of whole blocks.
	k1 [aes.BlockSize]byte
}

func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	// Doubled in GF(2^128).
	carry := byte(0)
	for i := aes.BlockSize - 1; i >= 0; i-- {
		x.k1[i], carry = x.k1[i]<<1|carry, x.k1[i]>>7
	}
	x.k1[aes.BlockSize-1] ^= carry * 0x87
	return x, nil
}

// gcm is the cipher of the message that has this nonce.
func (x *xaes) gcm(nonce []byte) (cipher.AEAD, error) {
	var derived [2 * aes.BlockSize]byte
	for i := range 2 {
		block := derived[i*aes.BlockSize : (i+1)*aes.BlockSize]
		block[1] = byte(i + 1) // the counter, of two bytes
		block[2] = 'X'         // the label, and a zero
		copy(block[4:], nonce[:half])
		for j := range block {
			block[j] ^= x.k1[j]
		}
		x.block.Encrypt(block, block)
	}
	block, err := aes.NewCipher(derived[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal appends the ciphertext with its tag to out.
func (x *xaes) seal(out, nonce, text, aad []byte) []byte {
	gcm, err := x.gcm(nonce)
	if err != nil {
		panic(err) // the lengths are constants
	}
	return gcm.Seal(out, nonce[half:], text, aad)
}

func (x *xaes) open(nonce, sealed, aad []byte) ([]byte, error) {
	gcm, err := x.gcm(nonce)
	if err != nil {
		return nil, err
	}
	return gcm.Open([]byte{}, nonce[half:], sealed, aad)
}
