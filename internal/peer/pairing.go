package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/pair"
	"baton/internal/peer/channel"
	"baton/internal/peer/wire"
)

// Routes of this package on the link; others are added by Handle.
const (
	pathPair   = wire.Prefix + "pair"
	pathUnpair = wire.Prefix + "unpair"
)

// Bounds of pairing.
const (
	pairTime       = 20 * time.Second // for all of Pair
	reverseTime    = 3 * time.Second  // for the peer's test of the reverse connection details
	unpairTime     = 3 * time.Second
	maxUnconfirmed = 10 // confirmations without a valid answer; after them an administrator must act
	freeAttempts   = 3  // before pauses grow
	maxRetryPause  = time.Minute
	maxAddresses   = 8
	maxName        = 255 // bytes
	defaultPort    = "443"
)

// PairRequest is what the administrator decides when pairing.
type PairRequest struct {
	// Reverse is where the other appliance reaches this one, host[:port]. Empty:
	// the local address of the connection, with the port of Options.
	Reverse string
	// Replace confirms that the other appliance's site data is replaced.
	Replace bool
}

// pairMessage is sent by the initiator, whose data stays.
type pairMessage struct {
	Hello     Hello    `json:"hello"`
	PairID    string   `json:"pair_id"`
	Addresses []string `json:"addresses"` // of the initiator, host:port, preferred first
	Replace   bool     `json:"replace"`
	ClockSkew int64    `json:"clock_offset"` // responder's clock minus initiator's, in nanoseconds, as the initiator measured it
}

// pairAnswer says that the responder has pinned the initiator, and saved that.
type pairAnswer struct {
	Hello  Hello  `json:"hello"`
	PairID string `json:"pair_id"` // the one to use: an earlier one if this is a repetition
}

// Pairing begins and ends the relationship with a peer.
type Pairing struct {
	link *Link

	mu        sync.Mutex                // held while one is under way
	retryFrom atomic.Pointer[time.Time] // earliest moment for the next attempt; nil: now
	proposed  atomic.Pointer[proposal]  // nil: this appliance asks no other to pair
}

// Pair makes the appliance at address this one's backup: both pin each other.
// After an interruption it can be repeated, and ends the same way.
func (p *Pairing) Pair(ctx context.Context, address string, req PairRequest) (Pinned, error) {
	if !p.mu.TryLock() {
		return Pinned{}, ErrBusy
	}
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pairTime)
	defer cancel()
	peer, err := p.pair(ctx, strings.TrimSpace(address), req)
	if err != nil {
		p.link.failed("", "Pairing with "+address+" failed", err, map[string]string{"address": address})
		return Pinned{}, err
	}
	p.announcePaired(peer)
	return peer, nil
}

func (p *Pairing) pair(ctx context.Context, address string, req PairRequest) (Pinned, error) {
	conn, err := p.approach(ctx, address)
	if err != nil {
		return Pinned{}, err
	}
	defer p.propose(conn.peerPin)()
	peer, hello, err := p.agree(ctx, conn, req)
	if err != nil {
		return Pinned{}, err
	}
	return peer, p.pinPeer(peer, hello, false)
}

// proposal is a pairing that this appliance has asked for.
type proposal struct {
	pin     string // of the other appliance
	decided chan struct{}
}

// propose begins a proposal; decide ends it.
func (p *Pairing) propose(pin string) (decide func()) {
	asked := &proposal{pin: pin, decided: make(chan struct{})}
	p.proposed.Store(asked)
	return func() {
		p.proposed.Store(nil)
		close(asked.decided)
	}
}

// awaitDecision lets a connection of the appliance that is being paired with wait until it is
// pinned here. It pins us first and polls at once; a refusal would look to it as if we
// were another appliance.
func (p *Pairing) awaitDecision(pin string) {
	asked := p.proposed.Load()
	if asked == nil || asked.pin != pin {
		return
	}
	select {
	case <-asked.decided:
	case <-time.After(handshakeTime):
	}
}

// approach proves the key to an appliance that is to be paired with.
func (p *Pairing) approach(ctx context.Context, address string) (*authenticated, error) {
	before := p.link.vault.read()
	if err := p.mayPair(address, before); err != nil {
		return nil, err
	}
	conn, err := p.link.dial(ctx, withPort(address), before.peer().Pin, purposePair)
	if errors.Is(err, ErrIdentityChanged) {
		err = fmt.Errorf("%w (%w)", ErrAlreadyPaired, err)
	}
	return conn, err
}

// reverse lists where the other appliance reaches this one, preferred first.
func (p *Pairing) reverse(conn *authenticated, req PairRequest) ([]string, error) {
	first := withPort(req.Reverse)
	if req.Reverse == "" {
		host, _, err := net.SplitHostPort(conn.LocalAddr().String())
		if err != nil {
			return nil, fmt.Errorf("find the reverse connection details: %w", err)
		}
		first = net.JoinHostPort(host, strconv.Itoa(p.link.options.Port))
	}
	all := addresses(first, p.link.options.Self().Addresses)
	if len(all) == 0 {
		return nil, ErrReverse
	}
	return all, nil
}

// mayPair refuses before anything is sent against which guesses could be tested.
func (p *Pairing) mayPair(address string, s Secrets) error {
	switch {
	case address == "":
		return errors.New("no appliance to pair with: give its host name or IP address")
	case s.Key.IsZero():
		return ErrNoKey
	case s.Unconfirmed >= maxUnconfirmed:
		return ErrThrottled
	}
	if from := p.retryFrom.Load(); from != nil && p.link.options.Now().Before(*from) {
		return ErrThrottled
	}
	return nil
}

// spend counts, and saves, that a confirmation is about to be sent to an appliance that is not
// pinned: a restart allows no new guesses.
func (p *Pairing) spend(purpose string) error {
	if purpose != purposePair || p.link.vault.read().Peer != nil {
		return nil
	}
	return p.link.vault.change(func(s *Secrets) error {
		s.Unconfirmed++
		if over := s.Unconfirmed - freeAttempts; over > 0 {
			from := p.link.options.Now().Add(min(time.Second<<over, maxRetryPause))
			p.retryFrom.Store(&from)
		}
		return nil
	})
}

// unspend resets that count: a confirmation was answered.
func (p *Pairing) unspend() error {
	p.retryFrom.Store(nil)
	return p.link.vault.change(func(s *Secrets) error { s.Unconfirmed = 0; return nil })
}

// agree exchanges names and addresses over a proven connection.
func (p *Pairing) agree(ctx context.Context, conn *authenticated, req PairRequest) (Pinned, Hello, error) {
	all, err := p.reverse(conn, req)
	if err != nil {
		return Pinned{}, Hello{}, errors.Join(err, conn.Close())
	}
	message := pairMessage{
		Hello: p.link.options.Self(), PairID: rand.Text(), Addresses: all,
		Replace: req.Replace, ClockSkew: int64(conn.proven.offset),
	}
	answer, err := askOnce[pairMessage, pairAnswer](ctx, conn, pathPair, message)
	if err != nil {
		return Pinned{}, Hello{}, err
	}
	peer := Pinned{
		ID: conn.proven.peer.ID, Pin: conn.peerPin, Name: answer.Hello.Name, PairID: answer.PairID,
		Addresses: addresses(conn.address, answer.Hello.Addresses), ClockOffset: conn.proven.offset,
	}
	return peer, answer.Hello, checkPinned(peer)
}

// askOnce asks one question over a proven connection, and closes it.
func askOnce[Question, Answer any](ctx context.Context, conn *authenticated, path string, question Question) (answer Answer, err error) {
	client, err := channel.OverHTTP2(ctx, conn)
	if err != nil {
		return answer, err
	}
	defer func() { _ = client.Close() }()
	answer, err = Call[Question, Answer](ctx, &http.Client{Transport: client}, path, question)
	if told, ok := errors.AsType[*RemoteError](err); ok {
		return answer, told // its sentence is for the administrator as it is
	}
	return answer, err
}

// pinPeer saves the relationship here: the pin, then the role. If the role cannot be saved,
// the pin is removed again.
func (p *Pairing) pinPeer(peer Pinned, hello Hello, asBackup bool) error {
	before := p.link.vault.read().Peer
	set := func(peer *Pinned) error {
		return p.link.vault.change(func(s *Secrets) error { s.Peer = peer; return nil })
	}
	if err := set(&peer); err != nil {
		return err
	}
	if err := p.link.options.OnPaired(peer.clone(), hello, asBackup); err != nil {
		return errors.Join(fmt.Errorf("take up the role in the pair: %w", err), set(before))
	}
	p.link.control.Reset()
	p.link.bulk.Reset()
	return nil
}

func (p *Pairing) announcePaired(peer Pinned) {
	p.link.event("", pair.KindPaired, fmt.Sprintf("Paired with %s (%s).", peer.Name, peer.ID.Short()),
		map[string]string{"peer": string(peer.ID), "pin": peer.Pin, "pair": peer.PairID})
}

// acceptPair answers Pair on the appliance whose data will be replaced.
func (p *Pairing) acceptPair(ctx context.Context, message pairMessage) (pairAnswer, error) {
	from, _ := PeerFrom(ctx)
	if !p.mu.TryLock() {
		return pairAnswer{}, ErrBusy
	}
	defer p.mu.Unlock()
	self := p.link.options.Self()
	peer, err := p.consider(from, self, message)
	if err == nil {
		err = p.lookBack(ctx, peer)
	}
	if err == nil {
		err = p.pinPeer(peer, message.Hello, true)
	}
	if err != nil {
		p.link.failed("", "Pairing asked for by "+from.Address+" failed", err, map[string]string{"from": from.Address})
		return pairAnswer{}, err
	}
	p.announcePaired(peer)
	return pairAnswer{Hello: self, PairID: peer.PairID}, nil
}

// consider decides whether this appliance may be made a backup. If the pinned appliance
// repeats its pairing, the pair id stays.
func (p *Pairing) consider(from Peer, self Hello, message pairMessage) (Pinned, error) {
	before := p.link.vault.read().Peer
	repeated := before != nil && before.Pin == from.Pin
	switch {
	case before != nil && !repeated:
		return Pinned{}, ErrAlreadyPaired
	case !message.Replace && p.wantsReplace(from, self):
		return Pinned{}, fmt.Errorf("%w (%s: epoch %s; %s)", ErrHoldsData, self.Name, self.Epoch, self.Data)
	}
	peer := Pinned{
		ID: from.ID, Pin: from.Pin, Name: message.Hello.Name, PairID: message.PairID,
		Addresses: addresses("", message.Addresses), ClockOffset: -time.Duration(message.ClockSkew),
	}
	if repeated {
		peer.PairID = before.PairID
	}
	return peer, checkPinned(peer)
}

// wantsReplace reports whether a pairing would replace data of this appliance. The pinned
// appliance would only replace a copy of its own data.
func (p *Pairing) wantsReplace(from Peer, self Hello) bool {
	repeated := p.link.vault.read().peer().Pin == from.Pin
	return self.Role == pair.Primary || self.HoldsData && !repeated
}

// lookBack makes sure that this appliance can poll the one that asks: it must answer at its
// reverse connection details.
func (p *Pairing) lookBack(ctx context.Context, peer Pinned) error {
	ctx, cancel := context.WithTimeout(ctx, reverseTime)
	defer cancel()
	conn, err := p.link.Way.dialTLS(ctx, peer.Addresses[0], peer.Pin)
	if err != nil {
		return fmt.Errorf("%w (%s: %w)", ErrReverse, peer.Addresses[0], err)
	}
	_ = conn.Close()
	return nil
}

func checkPinned(peer Pinned) error {
	switch {
	case len(peer.Addresses) == 0:
		return &RemoteError{Code: "malformed", Text: "the other appliance names no usable address"}
	case peer.PairID == "" || len(peer.PairID) > maxName:
		return &RemoteError{Code: "malformed", Text: "the other appliance names no usable pair id"}
	}
	return checkName(peer.Name)
}

func checkName(name string) error {
	if !pair.IsName(name) {
		return &RemoteError{Code: "malformed", Text: "the other appliance's name is not usable"}
	}
	return nil
}

// addresses returns first and further without repetitions, at most eight,
// leaving out what is not host:port.
func addresses(first string, further []string) []string {
	var all []string
	for _, address := range append([]string{first}, further...) {
		_, port, err := net.SplitHostPort(address)
		plain := !strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' })
		if err == nil && port != "" && plain && len(address) <= maxName && len(all) < maxAddresses && !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

// withPort adds the usual port to an address without one.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	if n := len(address); n > 1 && address[0] == '[' && address[n-1] == ']' {
		address = address[1 : n-1]
	}
	return net.JoinHostPort(address, defaultPort)
}

// Unpair tells the peer, and forgets it. If the peer cannot be told within a few seconds,
// nothing changes and the error is ErrNotTold with the reason. One that is not paired with
// this appliance any more need not be told. Other errors are ErrNotPaired, and those of the
// keeper.
func (p *Pairing) Unpair(ctx context.Context) error {
	if p.link.vault.read().Peer == nil {
		return ErrNotPaired
	}
	err := p.tellUnpaired(ctx)
	if err != nil && !errors.Is(err, ErrNotPaired) {
		return fmt.Errorf("%w: %w", ErrNotTold, err)
	}
	return p.forgetHere(err)
}

// UnpairForced forgets the peer also if it cannot be told. The error is ErrNotPaired, or that
// of the keeper.
func (p *Pairing) UnpairForced(ctx context.Context) error {
	if p.link.vault.read().Peer == nil {
		return ErrNotPaired
	}
	return p.forgetHere(p.tellUnpaired(ctx))
}

func (p *Pairing) tellUnpaired(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, unpairTime)
	defer cancel()
	_, err := Call[struct{}, struct{}](ctx, p.link.Control(), pathUnpair, struct{}{})
	return err
}

func (p *Pairing) forgetHere(untold error) error {
	return p.forget("The relationship was broken here.", map[string]string{"peer_told": strconv.FormatBool(untold == nil)})
}

// acceptUnpair forgets the peer, which broke the relationship, and closes the connection
// after the answer.
func (p *Pairing) acceptUnpair(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	Serve(func(context.Context, struct{}) (struct{}, error) {
		return struct{}{}, p.forget("The peer broke the relationship.", nil)
	}).ServeHTTP(w, r)
}

func (p *Pairing) forget(text string, detail map[string]string) error {
	var former Pinned
	err := p.link.vault.change(func(s *Secrets) error {
		if s.Peer == nil {
			return ErrNotPaired
		}
		former = s.Peer.clone()
		s.Peer, s.Previous = nil, nil
		return nil
	})
	if err != nil {
		return err
	}
	p.link.control.Reset()
	p.link.bulk.Reset()
	p.link.options.OnUnpaired(former)
	p.link.event("", pair.KindUnpaired, text, detail)
	return nil
}
