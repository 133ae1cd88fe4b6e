package peer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"baton/internal/peer/channel"
	"baton/internal/peer/cpace"
	"baton/internal/peer/wire"
)

// Roles and purposes in a greeting.
const (
	roleInitiator = "initiator"
	roleResponder = "responder"
	purposePair   = "pair" // nothing pinned yet: only the pairing routes
	purposeLink   = "link" // both pinned: all other routes
)

// handshakeTime bounds one handshake, from the first frame to the last.
const handshakeTime = 5 * time.Second

// maxRuns is how many keys one handshake may try: the new and the old one
// while the key is being changed.
const maxRuns = 2

var errOtherKey = errors.New("the responder is at our other key")

// handshake proves on a new TLS connection that both sides know the pre-shared key. The
// initiator proves first: a stranger that connects gets nothing that it could test guesses
// against offline.
type handshake struct {
	stream   io.ReadWriter
	exporter []byte // of this TLS session: no proof can be carried to another
	ownPin   string
	peerPin  string
	product  string       // product version
	life     channel.Life // our own
	now      func() time.Time
}

// proven is the outcome of a handshake that succeeded.
type proven struct {
	peer     greeting
	key      Key // of ours, which the peer knows too
	protocol int // the version to speak
	offset   time.Duration
	life     channel.Life // the peer's
}

// handshake begins one on conn, whose TLS handshake is complete.
func (l *Link) handshake(conn *tls.Conn) (handshake, error) {
	h, err := newHandshake(conn, l.options.Identity.Pin(), l.options.Self().Version, l.options.Now)
	h.life = l.life
	return h, err
}

// newHandshake binds a handshake to conn.
func newHandshake(conn *tls.Conn, ownPin, product string, now func() time.Time) (handshake, error) {
	state := conn.ConnectionState()
	if len(state.PeerCertificates) == 0 {
		return handshake{}, errors.New("the other side shows no certificate")
	}
	// RFC 9266: tls-exporter, label and length.
	exporter, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return handshake{}, fmt.Errorf("bind to the TLS session: %w", err)
	}
	h := handshake{stream: conn, exporter: exporter, ownPin: ownPin, peerPin: pinOf(state.PeerCertificates[0]), product: product, now: now}
	if h.peerPin == h.ownPin {
		return handshake{}, &RemoteError{Code: "itself", Text: "that address leads to this appliance itself, or to a copy of its disk: give the other one's address, or remove data_dir on the copy and start it again"}
	}
	return h, nil
}

// session begins one run. The number of the run is part of the session id: two runs on one
// connection have different ones.
func (h handshake) session(key Key, initiatorPin, responderPin string, run int) (*cpace.Session, error) {
	channel := fmt.Appendf(nil, "%s %s %s %s", roleInitiator, initiatorPin, roleResponder, responderPin)
	sid := fmt.Appendf(nil, "%s %d", h.exporter, run)
	return cpace.New(key.PRS, channel, sid)
}

func (h handshake) greeting(role, purpose string, key Key) greeting {
	return greeting{
		Role: role, ID: idOfPin(h.ownPin), Min: wire.Version, Max: wire.Version, Product: h.product,
		Key: key.Number, Purpose: purpose, Time: h.now().UnixMilli(), Life: h.life.ID, Age: h.life.Age(),
	}
}

// check verifies what a greeting claims, and returns the protocol version to speak.
func (h handshake) check(g greeting, role string) (int, error) {
	switch {
	case g.Role != role:
		return 0, fmt.Errorf("%w: role %q where %q belongs", errFrame, g.Role, role)
	case g.ID != idOfPin(h.peerPin):
		return 0, fmt.Errorf("%w: appliance id does not belong to the certificate", errFrame)
	}
	version := min(g.Max, wire.Version)
	if version < max(g.Min, wire.Version) {
		return 0, fmt.Errorf("%w (this appliance, %s, speaks %d to %d; the other, %.40q, %d to %d)",
			ErrVersion, h.product, wire.Version, wire.Version, g.Product, g.Min, g.Max)
	}
	return version, nil
}

// initiate proves a key of secrets to the responder, which then proves it as well. It calls
// beforeProof before it sends each tag: from then on the other side can test one guess.
func (h handshake) initiate(secrets Secrets, purpose string, beforeProof func() error) (proven, error) {
	result, err := h.offer(0, secrets.Key, secrets.Previous, purpose, beforeProof)
	if secrets.Previous != nil && (errors.Is(err, errOtherKey) || errors.Is(err, ErrKeyMismatch)) {
		return h.offer(1, *secrets.Previous, nil, purpose, beforeProof)
	}
	return result, err
}

func (h handshake) offer(run int, key Key, other *Key, purpose string, beforeProof func() error) (proven, error) {
	session, err := h.session(key, h.ownPin, h.peerPin, run)
	if err != nil {
		return proven{}, err
	}
	hello, ad, err := encodeHello(session.Share(), h.greeting(roleInitiator, purpose, key))
	if err != nil {
		return proven{}, err
	}
	sent := h.now()
	theirs, message, version, err := h.askHello(hello)
	if err != nil {
		return proven{}, err
	}
	if other != nil && theirs.Key != key.Number && theirs.Key == other.Number {
		return proven{}, errOtherKey
	}
	offset := time.UnixMilli(theirs.Time).Sub(sent.Add(h.now().Sub(sent) / 2))
	met := channel.LifeOf(theirs.Life, theirs.Age)
	result, err := session.Initiate(ad, message)
	if err != nil {
		return proven{}, err
	}
	if err := beforeProof(); err != nil {
		return proven{}, err
	}
	if err := h.exchangeTags(result); err != nil {
		return proven{}, err
	}
	return proven{peer: theirs, key: key, protocol: version, offset: offset, life: met}, nil
}

func (h handshake) askHello(hello frame) (greeting, cpace.Message, int, error) {
	answer, err := h.ask(hello)
	if err != nil {
		return greeting{}, cpace.Message{}, 0, err
	}
	theirs, message, err := decodeHello(answer)
	if err != nil {
		return greeting{}, cpace.Message{}, 0, err
	}
	version, err := h.check(theirs, roleResponder)
	return theirs, message, version, err
}

func (h handshake) exchangeTags(result cpace.Result) error {
	answer, err := h.ask(frame{kind: frameConfirm, payload: result.InitiatorTag})
	if err != nil {
		return err
	}
	if answer.kind != frameConfirm || !cpace.Confirm(result.ResponderTag, answer.payload) {
		return ErrKeyMismatch
	}
	return nil
}

// ask sends a frame and reads the answer; a refusal is an error.
func (h handshake) ask(f frame) (frame, error) {
	if err := writeFrame(h.stream, f); err != nil {
		return frame{}, err
	}
	answer, err := readFrame(h.stream)
	if err != nil {
		return frame{}, err
	}
	return answer, refusalIn(answer)
}

// doorkeeper decides for the responder who may prove the key.
type doorkeeper interface {
	// admit returns the secrets to prove, or the reason why this initiator is refused.
	admit(peerPin string, g greeting) (Secrets, error)
	// guess is called before a proof is checked, and then right or wrong.
	guess(peerPin string) error
	right(peerPin string)
	wrong(peerPin string)
	// mismatch is the refusal of an initiator whose key differs from ours.
	mismatch(peerPin string, ours Key) error
}

// respond answers an initiator, which has to prove the key first.
func (h handshake) respond(door doorkeeper) (proven, error) {
	hello, err := readFrame(h.stream)
	for run := 0; err == nil && run < maxRuns; run++ {
		var result proven
		result, hello, err = h.answer(run, hello, door)
		if err == nil && hello.kind == 0 {
			return result, nil
		}
	}
	return proven{}, err
}

// answer is one run. If the initiator wants to try its other key, it returns the next
// hello, else a frame of kind 0.
func (h handshake) answer(run int, hello frame, door doorkeeper) (proven, frame, error) {
	theirs, message, err := decodeHello(hello)
	if err != nil {
		return proven{}, frame{}, err
	}
	version, err := h.check(theirs, roleInitiator)
	if err != nil {
		return proven{}, frame{}, h.refuse(err)
	}
	secrets, err := door.admit(h.peerPin, theirs)
	if err != nil {
		return proven{}, frame{}, h.refuse(err)
	}
	offset, met := time.UnixMilli(theirs.Time).Sub(h.now()), channel.LifeOf(theirs.Life, theirs.Age)
	key := secrets.numbered(theirs.Key)
	result, proof, err := h.share(run, key, theirs.Purpose, message)
	if err != nil {
		return proven{}, frame{}, err
	}
	if proof.kind == frameHello && run == 0 {
		return proven{}, proof, nil
	}
	if err := door.guess(h.peerPin); err != nil {
		return proven{}, frame{}, h.refuse(err)
	}
	if proof.kind != frameConfirm || !cpace.Confirm(result.InitiatorTag, proof.payload) {
		door.wrong(h.peerPin)
		return h.again(run, door.mismatch(h.peerPin, secrets.Key))
	}
	door.right(h.peerPin)
	done := proven{peer: theirs, key: key, protocol: version, offset: offset, life: met}
	return done, frame{}, writeFrame(h.stream, frame{kind: frameConfirm, payload: result.ResponderTag})
}

// share sends our share and returns what the initiator answers to it.
func (h handshake) share(run int, key Key, purpose string, initiator cpace.Message) (cpace.Result, frame, error) {
	session, err := h.session(key, h.peerPin, h.ownPin, run)
	if err != nil {
		return cpace.Result{}, frame{}, err
	}
	hello, ad, err := encodeHello(session.Share(), h.greeting(roleResponder, purpose, key))
	if err != nil {
		return cpace.Result{}, frame{}, err
	}
	result, err := session.Respond(ad, initiator)
	if err != nil {
		return cpace.Result{}, frame{}, err
	}
	proof, err := h.ask(hello)
	return result, proof, err
}

// again refuses a wrong proof and, in the first run, waits for another hello.
func (h handshake) again(run int, why error) (proven, frame, error) {
	refused := h.refuse(why)
	if run > 0 {
		return proven{}, frame{}, refused
	}
	next, err := readFrame(h.stream)
	if err != nil || next.kind != frameHello {
		return proven{}, frame{}, refused
	}
	return proven{}, next, nil
}

// refuse tells the other side the reason, and returns it.
func (h handshake) refuse(reason error) error {
	f, err := encodeRefusal(reason)
	if err != nil {
		return err
	}
	_ = writeFrame(h.stream, f) // whether it arrives or not
	return reason
}
