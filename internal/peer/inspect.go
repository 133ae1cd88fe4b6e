package peer

import (
	"context"
	"errors"
	"strings"
	"time"

	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// pathLook asks an appliance to which the key was proved what Pair would replace there. It changes nothing.
const pathLook = wire.Prefix + "look"

// Inspection is the appliance that Pair would make this one's backup.
type Inspection struct {
	ID          pair.ApplianceID
	Hello       Hello
	Address     string        // host:port at which it answered
	Reverse     string        // host:port at which it reached this one
	ClockOffset time.Duration // how far its wall clock is ahead of ours
	NeedReplace bool          // it refuses unless its data may be replaced
}

// lookMessage says where the appliance that asks can be reached.
type lookMessage struct {
	Addresses []string `json:"addresses"`
}

type lookAnswer struct {
	Hello       Hello `json:"hello"`
	NeedReplace bool  `json:"need_replace"`
}

// Inspect proves the key to the appliance at address and asks what it holds. It fails for
// every known reason for which Pair would fail, except data that would be replaced: that is
// in the Inspection.
func (p *Pairing) Inspect(ctx context.Context, address string, req PairRequest) (Inspection, error) {
	if !p.mu.TryLock() {
		return Inspection{}, ErrBusy
	}
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pairTime)
	defer cancel()
	found, err := p.inspect(ctx, strings.TrimSpace(address), req)
	if err != nil {
		p.link.failed("", "Looking at "+address+" before pairing failed", err, map[string]string{"address": address})
	}
	return found, err
}

func (p *Pairing) inspect(ctx context.Context, address string, req PairRequest) (Inspection, error) {
	conn, err := p.approach(ctx, address)
	if err != nil {
		return Inspection{}, err
	}
	all, err := p.reverse(conn, req)
	if err != nil {
		return Inspection{}, errors.Join(err, conn.Close())
	}
	answer, err := askOnce[lookMessage, lookAnswer](ctx, conn, pathLook, lookMessage{Addresses: all})
	if err != nil {
		return Inspection{}, err
	}
	found := Inspection{
		ID: conn.proven.peer.ID, Hello: answer.Hello, Address: conn.address, Reverse: all[0],
		ClockOffset: conn.proven.offset, NeedReplace: answer.NeedReplace,
	}
	return found, checkName(answer.Hello.Name)
}

// acceptLook answers Look. It refuses for the reasons of acceptPair, except data.
func (p *Pairing) acceptLook(ctx context.Context, message lookMessage) (lookAnswer, error) {
	from, _ := PeerFrom(ctx)
	self := p.link.options.Self()
	peer, err := p.consider(from, self, pairMessage{Hello: Hello{Name: "look"}, PairID: "look", Addresses: message.Addresses, Replace: true})
	if err == nil {
		err = p.lookBack(ctx, peer)
	}
	if err != nil {
		return lookAnswer{}, err
	}
	return lookAnswer{Hello: self, NeedReplace: p.wantsReplace(from, self)}, nil
}
