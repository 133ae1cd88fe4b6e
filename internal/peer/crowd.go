package peer

import (
	"encoding/json"
	"errors"
)

// maxParts bounds the parts of a message. One of maxBody bytes could have a third as
// many, each of which takes a hundred bytes once it is read; an exchange of the history,
// the largest that there is, has some ten thousand.
const maxParts = 50_000

// decode reads a message of the peer.
func decode(data []byte, into any) error {
	parts, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // what follows ends no text
		case !quoted && (c == '{' || c == '[' || c == ','):
			parts++
		}
	}
	if parts > maxParts {
		return errors.New("it has more parts than a message can have")
	}
	return json.Unmarshal(data, into)
}
