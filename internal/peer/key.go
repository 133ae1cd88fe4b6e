package peer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"baton/internal/pair"
)

// The rule for a pre-shared key.
const (
	minKeyLength = 16   // characters, after normalisation
	maxKeyLength = 1024 // bytes: more is a pasted file, not a key
)

// A generated key is so many groups of so many characters.
const (
	keyGroups = 7
	groupSize = 4
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

// ErrUnfitKey is the error of a pre-shared key that breaks the rule.
var ErrUnfitKey = pair.Refuse(pair.Usage, "the pre-shared key needs at least 16 characters (and at most 1,024 bytes): use a longer one, or generate one")

// unseenError is the refusal of a key that contains invisible characters.
type unseenError struct{ error }

// Unwrap returns ErrUnfitKey.
func (unseenError) Unwrap() error { return ErrUnfitKey }

// Key is the pre-shared key as it is kept: stretched, never in clear. The zero
// value means that none is set.
type Key struct {
	PRS    []byte    `json:"prs"`    // argon2id of the normalised key
	Number int       `json:"number"` // tells an old and a new key of one pair apart; starts at 1
	SetAt  time.Time `json:"set_at"`

	// Unproved: an administrator ended the key before this one when the peer had not proved
	// this one yet. So the peer may not know it.
	Unproved bool `json:"unproved,omitempty"`
}

// IsZero reports whether no key is set.
func (k Key) IsZero() bool { return len(k.PRS) == 0 }

// Fingerprint returns eight letters and digits, in two groups, to compare on two
// screens; empty if no key is set. It helps a guesser no
// more than the stretched key does.
func (k Key) Fingerprint() string {
	if k.IsZero() {
		return ""
	}
	sum := sha256.Sum256(append([]byte("baton psk fingerprint v1\x00"), k.PRS...))
	text := base32.NewEncoding(keyAlphabet).EncodeToString(sum[:5])
	return text[:4] + "-" + text[4:]
}

// Stretch turns what an administrator typed into a Key without number or time.
// It costs about 0.1 s and 64 MiB. The error wraps ErrUnfitKey.
func Stretch(key string) (Key, error) {
	normal, err := normalKey(key)
	if err != nil {
		return Key{}, err
	}
	prs := argon2.IDKey([]byte(normal), []byte(stretchSalt), stretchTime, stretchMemory, stretchThreads, stretchSize)
	return Key{PRS: prs}, nil
}

// normalKey returns the form of a key that both appliances stretch. Invisible characters
// around the key are dropped, and within it they are refused. A generated key may be typed
// in capitals and without its dashes; any other stays as it was typed.
func normalKey(key string) (string, error) {
	key = pair.TrimUnseen(key)
	if generated, ok := readGenerated(key); ok {
		return generated, nil
	}
	if err := pair.CheckSeen("the pre-shared key", key); err != nil {
		return "", unseenError{err}
	}
	normal := norm.NFC.String(key)
	if utf8.RuneCountInString(normal) < minKeyLength || len(normal) > maxKeyLength {
		return "", ErrUnfitKey
	}
	return normal, nil
}

// readGenerated returns a typed key in the form of Generate, if it is such a key: its groups
// in small letters or capitals, with spaces, dashes or nothing between them.
func readGenerated(typed string) (string, bool) {
	var text strings.Builder
	count := 0
	for _, r := range typed {
		if between := unicode.IsSpace(r) || unicode.Is(unicode.Pd, r); between {
			if count%groupSize != 0 {
				return "", false
			}
			continue
		}
		r = unicode.ToLower(r)
		if r > unicode.MaxASCII || !strings.ContainsRune(keyAlphabet, r) {
			return "", false
		}
		if count > 0 && count%groupSize == 0 {
			text.WriteByte('-')
		}
		text.WriteRune(r)
		count++
	}
	return text.String(), count == keyGroups*groupSize
}

// Generate returns a new key of 140 random bits that is easily typed: seven
// groups of four letters and digits.
func Generate() string {
	raw := make([]byte, keyGroups*groupSize)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	var text strings.Builder
	for i, b := range raw {
		if i > 0 && i%groupSize == 0 {
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
