// Package seal encrypts small values that go to a browser and come back: cookies that only this service can read,
// change or make. It uses AES-256-GCM with keys derived by HKDF-SHA256.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Errors that Open returns.
var (
	// ErrUnknownKey means that the value names a key that is not in the ring: another service sealed it, or its key
	// has been retired.
	ErrUnknownKey = errors.New("sealed with a key that is not known here")

	// ErrInvalid means that the value was not sealed with these keys for this purpose and context: it is forged,
	// changed, cut off, or belongs somewhere else.
	ErrInvalid = errors.New("not a valid sealed value")
)

const (
	idSize   = 4 // of the key id that each sealed value begins with
	overhead = 12 + 16
	maxSize  = 16 << 10 // of a sealed value in base64
)

// Ring is a list of keys: the first one seals, and all of them open. It is immutable and safe for concurrent use.
type Ring struct {
	keys []key
}

type key struct {
	id   [idSize]byte
	aead cipher.AEAD // puts a random nonce in front of each ciphertext
}

// New derives a ring from one or more secrets. Rings for different purposes do not open each other's values, even if
// they have the same secrets.
func New(purpose string, secrets ...[]byte) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("seal: no secret given")
	}
	ring := &Ring{}
	for _, secret := range secrets {
		derived, err := hkdf.Key(sha256.New, secret, nil, purpose, 32+idSize)
		if err != nil {
			return nil, fmt.Errorf("seal: deriving a key: %w", err)
		}
		block, err := aes.NewCipher(derived[:32])
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		ring.keys = append(ring.keys, key{id: [idSize]byte(derived[32:]), aead: aead})
	}
	return ring, nil
}

// Seal returns value, encrypted, in URL-safe base64. Open needs the same context, which is not part of the result: the
// name of a cookie, for example, so that one cookie cannot pass for another.
func (r *Ring) Seal(value []byte, context string) string {
	k := r.keys[0]
	sealed := make([]byte, idSize, idSize+overhead+len(value))
	copy(sealed, k.id[:])
	return base64.RawURLEncoding.EncodeToString(k.aead.Seal(sealed, nil, value, []byte(context)))
}

// Room returns the length of the longest value whose sealed form has at most size characters.
func (r *Ring) Room(size int) int { return max(0, size*3/4-idSize-overhead) }

// Open returns the value that Seal encrypted with one of the ring's keys and the same context. Otherwise its error is
// ErrUnknownKey or ErrInvalid.
func (r *Ring) Open(sealed, context string) ([]byte, error) {
	if len(sealed) > maxSize {
		return nil, ErrInvalid
	}
	// Without Strict, a changed last character could still decode to the same bytes.
	data, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(data) < idSize+overhead {
		return nil, ErrInvalid
	}
	id, known := [idSize]byte(data), false
	for _, k := range r.keys {
		if k.id != id {
			continue
		}
		known = true
		if value, err := k.aead.Open(nil, nil, data[idSize:], []byte(context)); err == nil {
			return value, nil
		}
	}
	if !known {
		return nil, ErrUnknownKey
	}
	return nil, ErrInvalid
}
