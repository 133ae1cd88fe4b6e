// Package wire holds the messages that two paired appliances exchange over the
// peer link: versioned JSON, one file per message family.
//
// It decides what a well-formed message is: unknown fields are ignored, an
// unknown version is refused with a sentence that names both. It never opens a
// connection and knows no appliance.
//
// Start reading at Poll, then Decode.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Version is the version of the peer protocol that this appliance speaks: of the
// handshake, of the paths and of the messages. It rises only when an older reader
// would misunderstand something.
const Version = 1

// Prefix begins the path of every message.
const Prefix = "/peer/v" + string(rune('0'+Version)) + "/"

// MaxSize is the largest message that is decoded, in bytes.
const MaxSize = 1 << 20

// maxParts bounds the parts of a message. One of MaxSize bytes could have a third as
// many, each of which takes a hundred bytes once it is read; an exchange of the history,
// the largest that there is, has some ten thousand.
const maxParts = 50_000

// Versioned is embedded in the messages of a pair: each says its version, and
// Decode refuses those of another. Pairing itself has none, since the handshake
// before it has agreed on the version.
type Versioned struct {
	Version spoken `json:"version"`
}

func (Versioned) versioned() {}

// spoken is Version as it stands in a message.
type spoken struct{}

// MarshalJSON implements json.Marshaler.
func (spoken) MarshalJSON() ([]byte, error) { return []byte(strconv.Itoa(Version)), nil }

// UnmarshalJSON implements json.Unmarshaler: Decode has checked it.
func (*spoken) UnmarshalJSON([]byte) error { return nil }

// VersionError says that a message is of a version that this appliance does not read.
type VersionError struct {
	Got int // version of the message
}

// Error implements error with a sentence that names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the peer sent a message of version %d, this appliance reads version %d: bring both appliances to the same release", e.Got, Version)
}

// Decode reads one message of the peer into target, a pointer, within MaxSize. A
// *VersionError says that it is Versioned and of another version, whatever its other
// fields contain.
func Decode(data []byte, target any) error {
	if len(data) > MaxSize {
		return fmt.Errorf("%d bytes are more than the limit of %d", len(data), MaxSize)
	}
	if parts(data) > maxParts {
		return errors.New("it has more parts than a message can have")
	}
	if _, versioned := target.(interface{ versioned() }); versioned {
		var head struct {
			Version int `json:"version"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return err
		}
		if head.Version != Version {
			return &VersionError{Got: head.Version}
		}
	}
	return json.Unmarshal(data, target)
}

// parts counts the values of a message, before anything is made of them.
func parts(data []byte) (count int) {
	quoted := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // what follows ends no text
		case !quoted && (c == '{' || c == '[' || c == ','):
			count++
		}
	}
	return count
}
