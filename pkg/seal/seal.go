// Package seal encrypts small values that travel through a browser and come back: cookies that nobody but
// this service may read, change or make. It is AES-256-GCM under keys derived with HKDF-SHA256.
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
	// ErrUnknownKey means that the text names a key that is not in the ring: it was sealed by another
	// service, or with a key that has been retired.
	ErrUnknownKey = errors.New("sealed with a key that is not known here")

	// ErrInvalid means that the text was not sealed with these keys for this purpose and context: it is
	// forged, changed, cut, or belongs somewhere else.
	ErrInvalid = errors.New("not a valid sealed value")
)

const (
	idSize   = 4 // of the key id that each sealed value begins with
	overhead = 12 + 16
	maxText  = 16 << 10 // longer texts are refused unread
)

// Ring is a list of keys: the first seals, all open. It is immutable and safe for concurrent use.
type Ring struct {
	keys []key
}

type key struct {
	id   [idSize]byte
	aead cipher.AEAD // with a random nonce of its own in front of each ciphertext
}

// New derives a ring from secrets, of which there must be at least one. Rings of different purposes do not
// open each other's values, even when they are made from the same secrets.
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

// Seal returns value as text of the URL-safe base64 alphabet. context is not part of the text, but Open must
// be given the same: the name of the cookie, for example, so that one cookie cannot pass for another.
func (r *Ring) Seal(value []byte, context string) string {
	k := r.keys[0]
	sealed := make([]byte, idSize, idSize+overhead+len(value))
	copy(sealed, k.id[:])
	return base64.RawURLEncoding.EncodeToString(k.aead.Seal(sealed, nil, value, []byte(context)))
}

// Open returns the value of a text that Seal made with one of the ring's keys and the same context, or
// ErrUnknownKey or ErrInvalid. Texts come from outside: Open never panics.
func (r *Ring) Open(text, context string) ([]byte, error) {
	if len(text) > maxText {
		return nil, ErrInvalid
	}
	// Strict: without it the last character could be changed and the text would still decode.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < idSize+overhead {
		return nil, ErrInvalid
	}
	id, known := [idSize]byte(sealed), false
	for _, k := range r.keys {
		if k.id != id {
			continue
		}
		known = true
		if value, err := k.aead.Open(nil, nil, sealed[idSize:], []byte(context)); err == nil {
			return value, nil
		}
	}
	if !known {
		return nil, ErrUnknownKey
	}
	return nil, ErrInvalid
}
