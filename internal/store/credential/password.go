// Package credential makes and checks what people and programs prove themselves by:
// passwords, one-time codes, recovery codes and tokens. It keeps nothing: what is kept of
// them, and for how long they count, is the site database's to say.
package credential

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"baton/internal/pair"

	"golang.org/x/crypto/argon2"
)

// The cost of a password hash: argon2id with these takes about 50 ms and 19 MiB.
const (
	hashTime    = 2
	hashMemory  = 19 * 1024 // KiB
	hashThreads = 1
	hashLength  = 32 // bytes
	saltLength  = 16 // bytes
)

// Limits of a password, in bytes.
const (
	minPassword = 8
	MaxPassword = 1024 // a longer one is never right
)

// CheckPassword refuses a password that is too short or too long.
func CheckPassword(password string) error {
	if len(password) < minPassword || len(password) > MaxPassword {
		return pair.RefuseField("password", "use %d to %d characters", minPassword, MaxPassword)
	}
	return nil
}

// HashPassword returns a PHC string.
func HashPassword(password string) string {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	hash := argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashThreads, hashLength)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads, encode(salt), encode(hash))
}

// VerifyPassword reports whether the password is the one behind a PHC string. A
// string that is none costs as much as one that is, and is never right.
func VerifyPassword(phc, password string) bool {
	parsed, err := parsePHC(phc)
	if err != nil {
		parsed = phcString{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, saltLength), hash: make([]byte, hashLength)}
	}
	hash := argon2.IDKey([]byte(password), parsed.salt, parsed.time, parsed.memory, parsed.threads, hashLength)
	return subtle.ConstantTimeCompare(hash, parsed.hash) == 1 && err == nil
}

type phcString struct {
	memory, time uint32
	threads      uint8
	salt, hash   []byte
}

// parsePHC reads an argon2id string. Its costs are bounded: the string may have
// come from the peer.
func parsePHC(text string) (phcString, error) {
	refused := errors.New("not an argon2id hash that this version verifies")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phcString{}, refused
	}
	var p phcString
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return phcString{}, refused
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	hash, hashErr := base64.RawStdEncoding.DecodeString(parts[5])
	p.salt, p.hash = salt, hash
	switch {
	case saltErr != nil, hashErr != nil, len(salt) < 8, len(salt) > 64, len(hash) != hashLength,
		p.memory < 8, p.memory > 256*1024, p.time < 1, p.time > 10, p.threads < 1, p.threads > 4:
		return phcString{}, refused
	}
	return p, nil
}
