// Package password hashes passwords with Argon2id (RFC 9106) and writes the
// hashes in the PHC string format, with all that verifying them needs:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// ErrMalformed is a stored hash that is not one of this package's.
var ErrMalformed = errors.New("not an Argon2id hash")

// params are what a hash costs: memory in KiB, passes, lanes.
type params struct {
	memory uint32
	passes uint32
	lanes  uint8
}

// The OWASP Password Storage Cheat Sheet's first choice of equal ones for
// machines that hash many passwords at once.
var current = params{memory: 19 * 1024, passes: 2, lanes: 1}

const (
	saltBytes = 16
	keyBytes  = 32
	// Stored hashes decide how much memory verifying takes, so that even they
	// are bounded.
	maxMemory = 256 * 1024
	maxPasses = 16
	maxLanes  = 16
)

// Hash makes a hash of the password with a salt of its own.
func Hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, current.passes, current.memory, current.lanes, keyBytes)
	return format(current, salt, key)
}

// Verify says whether the hash is the password's. It takes the same time
// wherever the two differ. An error is ErrMalformed.
func Verify(hash, password string) (bool, error) {
	p, salt, key, err := parse(hash)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, p.passes, p.memory, p.lanes, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

// Outdated says that the hash was made with other costs than Hash uses now.
func Outdated(hash string) bool {
	p, salt, key, err := parse(hash)
	return err != nil || p != current || len(salt) != saltBytes || len(key) != keyBytes
}

func format(p params, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func parse(hash string) (p params, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return params{}, nil, nil, ErrMalformed
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes); err != nil {
		return params{}, nil, nil, fmt.Errorf("costs %q: %w", parts[3], ErrMalformed)
	}
	b64 := base64.RawStdEncoding.Strict()
	if salt, err = b64.DecodeString(parts[4]); err != nil {
		return params{}, nil, nil, fmt.Errorf("salt: %w", ErrMalformed)
	}
	if key, err = b64.DecodeString(parts[5]); err != nil {
		return params{}, nil, nil, fmt.Errorf("key: %w", ErrMalformed)
	}
	switch {
	case p.memory < 8 || p.memory > maxMemory, p.passes < 1 || p.passes > maxPasses, p.lanes < 1 || p.lanes > maxLanes,
		len(salt) < 8 || len(salt) > 64, len(key) < 16 || len(key) > 64, format(p, salt, key) != hash:
		return params{}, nil, nil, ErrMalformed
	}
	return p, salt, key, nil
}
