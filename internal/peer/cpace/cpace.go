// Package cpace is the balanced password-authenticated key exchange CPace,
// draft-irtf-cfrg-cpace-21, suite CPACE-X25519-SHA512, in the setting with an
// initiator and a responder, with explicit key confirmation (section 9.4 of
// the draft).
//
// It decides whether two parties know the same secret, and gives a stranger
// one guess per run and nothing to guess at offline. It never touches a network,
// stores nothing, and does not stretch passwords: the caller does.
//
// Start reading at New; Session.Initiate and Session.Respond end a run.
package cpace

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/edwards25519/field"
)

// Sizes in bytes.
const (
	ShareSize = 32 // public share: a u-coordinate of Curve25519
	TagSize   = sha512.Size
)

const (
	dsi       = "CPace255"     // G_X25519.DSI
	dsiISK    = "CPace255_ISK" // domain separation of the session key
	dsiMAC    = "CPaceMac"     // domain separation of the confirmation key
	hashBlock = 128            // SHA-512 input block, H.s_in_bytes
	montA     = 486662         // coefficient A of Curve25519
)

// ErrAbort is returned when the draft demands to abort: the share of the other
// side is of low order, not 32 bytes long, or our own sent back.
var ErrAbort = errors.New("unusable CPace share")

// Session is one side of one run. It must not be used twice.
type Session struct {
	scalar *ecdh.PrivateKey
	share  []byte
	sid    []byte
}

// Message is what one side sends: its share, and associated data that the run
// authenticates without hiding it.
type Message struct{ Share, AD []byte }

// Result is what both sides hold alike after a run with the same secret,
// channel and session, and differently otherwise.
type Result struct {
	Key          []byte // ISK, the session key
	InitiatorTag []byte // sent by the initiator to prove the secret
	ResponderTag []byte // sent by the responder to prove the secret
}

// New begins a run with the stretched secret, the channel identifier (who
// talks to whom) and the session id (unique to this run).
func New(secret, channel, sid []byte) (*Session, error) {
	scalar := make([]byte, ShareSize)
	if _, err := io.ReadFull(rand.Reader, scalar); err != nil {
		return nil, fmt.Errorf("draw CPace scalar: %w", err)
	}
	return newSession(secret, channel, sid, scalar)
}

func newSession(secret, channel, sid, scalar []byte) (*Session, error) {
	private, err := ecdh.X25519().NewPrivateKey(scalar)
	if err != nil {
		return nil, fmt.Errorf("make CPace scalar: %w", err)
	}
	share, err := multiply(private, generator(secret, channel, sid))
	if err != nil {
		return nil, err
	}
	return &Session{scalar: private, share: share, sid: slices.Clone(sid)}, nil
}

// Share returns the public share to send.
func (s *Session) Share() []byte { return slices.Clone(s.share) }

// Initiate ends the run at the initiator, given its own associated data and
// the responder's message.
func (s *Session) Initiate(ownAD []byte, responder Message) (Result, error) {
	k, err := s.secretPoint(responder.Share)
	if err != nil {
		return Result{}, err
	}
	return s.derive(k, Message{s.share, ownAD}, responder), nil
}

// Respond ends the run at the responder, given its own associated data and
// the initiator's message.
func (s *Session) Respond(ownAD []byte, initiator Message) (Result, error) {
	k, err := s.secretPoint(initiator.Share)
	if err != nil {
		return Result{}, err
	}
	return s.derive(k, initiator, Message{s.share, ownAD}), nil
}

func (s *Session) secretPoint(share []byte) ([]byte, error) {
	if bytes.Equal(share, s.share) {
		return nil, fmt.Errorf("%w: own share sent back", ErrAbort)
	}
	return multiply(s.scalar, share)
}

func (s *Session) derive(k []byte, initiator, responder Message) Result {
	first := concat(initiator.Share, initiator.AD)
	second := concat(responder.Share, responder.AD)
	isk := sha512.Sum512(slices.Concat(concat([]byte(dsiISK), s.sid, k), first, second))
	macKey := sha512.Sum512(slices.Concat([]byte(dsiMAC), s.sid, isk[:]))
	return Result{Key: isk[:], InitiatorTag: tag(macKey[:], first), ResponderTag: tag(macKey[:], second)}
}

func tag(key, message []byte) []byte {
	mac := hmac.New(sha512.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}

// Confirm reports whether a tag that arrived is the expected one, in constant time.
func Confirm(expected, got []byte) bool { return len(expected) == TagSize && hmac.Equal(expected, got) }

// multiply is X25519(scalar, point); the neutral element is an error, as
// scalar_mult_vfy demands.
func multiply(scalar *ecdh.PrivateKey, point []byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbort, err)
	}
	product, err := scalar.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbort, err)
	}
	return product, nil
}

// generator is calculate_generator: the secret hashed to a point.
func generator(secret, channel, sid []byte) []byte {
	hash := sha512.Sum512(generatorString(secret, channel, sid))
	return elligator2(hash[:ShareSize])
}

func generatorString(secret, channel, sid []byte) []byte {
	used := len(concat([]byte(dsi))) + len(concat(secret))
	padding := make([]byte, max(0, hashBlock-1-used))
	return concat([]byte(dsi), secret, padding, channel, sid)
}

// elligator2 maps a field element to the u-coordinate of a point (RFC 9380,
// section 6.7.1, Z = 2), in constant time. Bit 255 is ignored (RFC 7748).
func elligator2(r []byte) []byte {
	element, err := new(field.Element).SetBytes(r)
	if err != nil {
		panic("cpace: field element must be 32 bytes") // a constant of this file
	}
	one := new(field.Element).One()
	a := new(field.Element).Mult32(one, montA)

	square := new(field.Element).Square(element)
	denominator := new(field.Element).Add(one, square.Add(square, square)) // 1 + 2r^2, never zero
	v := new(field.Element).Invert(denominator)
	v.Negate(v.Multiply(v, a))

	curve := new(field.Element).Add(v, a) // v^3 + Av^2 + v = v(v(v + A) + 1)
	curve.Multiply(curve, v).Add(curve, one).Multiply(curve, v)
	_, onCurve := new(field.Element).SqrtRatio(curve, one)

	other := new(field.Element).Negate(v)
	other.Subtract(other, a)
	return new(field.Element).Select(v, other, onCurve).Bytes()
}

// concat is lv_cat: every part preceded by its length in LEB128.
func concat(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
