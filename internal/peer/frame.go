package peer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"baton/internal/pair"
	"baton/internal/peer/cpace"
)

// Kinds of handshake frames. A frame is one byte of kind, two bytes of length
// (big endian), and that many bytes.
const (
	frameHello   byte = 1 // share of 32 bytes, then the greeting as JSON
	frameConfirm byte = 2 // confirmation tag of 64 bytes
	frameRefusal byte = 3 // RemoteError as JSON
)

const (
	frameHeader  = 3    // bytes
	maxFrame     = 4096 // bytes of payload
	maxSentence  = 1000 // bytes of a refusal's text that are kept
	helloMinimum = cpace.ShareSize + len("{}")
)

var errFrame = errors.New("malformed handshake")

type frame struct {
	kind    byte
	payload []byte
}

func writeFrame(w io.Writer, f frame) error {
	if len(f.payload) > maxFrame {
		return fmt.Errorf("%w: frame of %d bytes", errFrame, len(f.payload))
	}
	out := make([]byte, frameHeader, frameHeader+len(f.payload))
	out[0] = f.kind
	binary.BigEndian.PutUint16(out[1:], uint16(len(f.payload))) //nolint:gosec // bounded above
	_, err := w.Write(append(out, f.payload...))
	return err
}

func readFrame(r io.Reader) (frame, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	size := int(binary.BigEndian.Uint16(header[1:]))
	if size > maxFrame {
		return frame{}, fmt.Errorf("%w: frame of %d bytes, the limit is %d", errFrame, size, maxFrame)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return frame{}, err
	}
	return frame{kind: header[0], payload: payload}, nil
}

// greeting is sent with the share as associated data: readable, and authenticated.
type greeting struct {
	Role    string           `json:"role"` // initiator or responder
	ID      pair.ApplianceID `json:"id"`
	Min     int              `json:"min"`     // oldest protocol version spoken
	Max     int              `json:"max"`     // newest protocol version spoken
	Product string           `json:"product"` // product version, for people
	Key     int              `json:"key"`     // number of the key used in this run
	Purpose string           `json:"purpose"` // what the initiator wants; the responder repeats it
	Time    int64            `json:"time"`    // sender's wall clock, Unix milliseconds
	Life    string           `json:"life"`    // names this run of the sender's daemon
	Age     int64            `json:"age"`     // milliseconds since it began
}

func encodeHello(share []byte, g greeting) (f frame, ad []byte, err error) {
	ad, err = json.Marshal(g)
	if err != nil {
		return frame{}, nil, err
	}
	return frame{kind: frameHello, payload: slices.Concat(share, ad)}, ad, nil
}

func decodeHello(f frame) (greeting, cpace.Message, error) {
	if f.kind != frameHello || len(f.payload) < helloMinimum {
		return greeting{}, cpace.Message{}, fmt.Errorf("%w: no hello", errFrame)
	}
	message := cpace.Message{Share: f.payload[:cpace.ShareSize], AD: f.payload[cpace.ShareSize:]}
	var g greeting
	if err := json.Unmarshal(message.AD, &g); err != nil {
		return greeting{}, cpace.Message{}, fmt.Errorf("%w: greeting: %w", errFrame, err)
	}
	return g, message, nil
}

func encodeRefusal(err error) (frame, error) {
	payload, jsonErr := json.Marshal(remote(err))
	return frame{kind: frameRefusal, payload: payload}, jsonErr
}

// refusalIn returns the refusal that a frame carries, or nil.
func refusalIn(f frame) error {
	if f.kind != frameRefusal {
		return nil
	}
	var told RemoteError
	if err := json.Unmarshal(f.payload, &told); err != nil {
		return fmt.Errorf("%w: refusal: %w", errFrame, err)
	}
	if told.Text == "" || len(told.Text) > maxSentence || !utf8.ValidString(told.Text) {
		told.Text = told.Unwrap().Error()
	}
	return &told
}
