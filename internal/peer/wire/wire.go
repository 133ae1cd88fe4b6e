// Package wire holds the messages that two paired appliances exchange over the
// peer link: versioned JSON, one file per message family.
//
// It decides what a well-formed message is: unknown fields are ignored, an
// unknown version is refused with a sentence that names both. It never opens a
// connection and knows no appliance.
//
// Start reading at Poll.
package wire

import (
	"encoding/json"
	"fmt"
)

// Version is the version of the messages that this appliance writes and reads.
// It rises only when an older reader would misunderstand a message.
const Version = 1

// MaxSize is the largest message that is decoded, in bytes.
const MaxSize = 1 << 20

// VersionError says that a message is of a version that this appliance does not read.
type VersionError struct {
	Message string // name of the message family, as "poll"
	Got     int    // version of the message
}

// Error implements error with a sentence that names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the peer sent a %s of message version %d, this appliance reads version %d: bring both appliances to the same release",
		e.Message, e.Got, Version)
}

// decode reads one message into target, after its size and version were checked.
// The version comes first, so that a message of another version is refused as
// such, whatever its other fields look like.
func decode(message string, data []byte, target any) error {
	if len(data) > MaxSize {
		return fmt.Errorf("decode %s: %d bytes are more than the limit of %d", message, len(data), MaxSize)
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("decode %s: %w", message, err)
	}
	if head.Version != Version {
		return &VersionError{Message: message, Got: head.Version}
	}
	if err := json.Unmarshal(data, target); err != nil {
		return fmt.Errorf("decode %s: %w", message, err)
	}
	return nil
}
