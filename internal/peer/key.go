package peer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// The rule for a pre-shared key.
const (
	minKeyLength = 16   // characters, after normalisation
	maxKeyLength = 1024 // bytes: more is a pasted file, not a key
)

// argon2id as pairing demands it: about 0.1 s and 64 MiB, once per saved key.
const (
	stretchSalt    = "baton psk v1"
	stretchTime    = 3
	stretchMemory  = 64 * 1024 // KiB
	stretchThreads = 2
	stretchSize    = 32 // bytes
)

// keyAlphabet is Crockford's: no letter that looks like a digit.
const keyAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// ErrWeakKey is returned for a pre-shared key that breaks the rule.
var ErrWeakKey = errors.New("the pre-shared key needs at least 16 characters (and at most 1,024 bytes): use a longer one, or generate one")

// Key is the pre-shared key as it is kept: stretched, never in clear. The zero
// value means that none is set.
type Key struct {
	PRS    []byte    `json:"prs"`    // argon2id of the normalised key
	Number int       `json:"number"` // tells an old and a new key of one pair apart; starts at 1
	SetAt  time.Time `json:"set_at"`
}

// IsZero reports whether no key is set.
func (k Key) IsZero() bool { return len(k.PRS) == 0 }

// Fingerprint returns eight letters and digits, in two groups, to compare on two
// screens; empty if no key is set. It tells nothing about the key that
// stretching does not guard.
func (k Key) Fingerprint() string {
	if k.IsZero() {
		return ""
	}
	sum := sha256.Sum256(append([]byte("baton psk fingerprint v1\x00"), k.PRS...))
	text := base32.NewEncoding(keyAlphabet).EncodeToString(sum[:5])
	return text[:4] + "-" + text[4:]
}

// Stretch turns what an administrator typed into a Key without number or time.
// It costs about 0.1 s and 64 MiB. The error is ErrWeakKey.
func Stretch(key string) (Key, error) {
	normal := strings.TrimSpace(norm.NFC.String(key))
	if !utf8.ValidString(normal) || utf8.RuneCountInString(normal) < minKeyLength || len(normal) > maxKeyLength {
		return Key{}, ErrWeakKey
	}
	prs := argon2.IDKey([]byte(normal), []byte(stretchSalt), stretchTime, stretchMemory, stretchThreads, stretchSize)
	return Key{PRS: prs}, nil
}

// Generate returns a new key of 140 random bits that is easily typed: seven
// groups of four letters and digits.
func Generate() string {
	const groups, size = 7, 4
	raw := make([]byte, groups*size)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	var text strings.Builder
	for i, b := range raw {
		if i > 0 && i%size == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(keyAlphabet[b%32]) // 256 is a multiple of 32: no bias
	}
	return text.String()
}

// KeyState is what may be shown of the pre-shared key.
type KeyState struct {
	Set         bool      `json:"set"`
	SetAt       time.Time `json:"set_at,omitzero"`
	Fingerprint string    `json:"fingerprint"`
	// Pending means that the key was changed and the peer has not proved the new
	// one yet: the old one is valid as well.
	Pending bool `json:"pending"`
	// Previous is the fingerprint of the old key while Pending.
	Previous string `json:"previous,omitempty"`
}
