package peer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"baton/internal/pair"
)

// Secrets is what the link must remember over a restart. Its Keeper writes it as JSON that
// only the daemon can read (0600).
type Secrets struct {
	Key      Key     `json:"key"`                // the current key; zero: none
	Previous *Key    `json:"previous,omitempty"` // valid as well, until both appliances have proved Key
	Peer     *Pinned `json:"peer,omitempty"`     // nil: not paired
	// Unconfirmed counts the confirmations that this appliance sent while pairing without
	// getting a valid one back: each lets a stranger test one guess. At 10, pairing stops
	// until a key is saved.
	Unconfirmed int `json:"unconfirmed"`
}

// Pinned is the appliance that this one is paired with.
type Pinned struct {
	ID        pair.ApplianceID `json:"id"`
	Pin       string           `json:"pin"` // SHA-256 of its public key (SPKI), 64 hexadecimal digits
	Name      string           `json:"name"`
	PairID    string           `json:"pair_id"`   // random, agreed at pairing, the same on both
	Addresses []string         `json:"addresses"` // host:port, preferred first
	// Reached has, for each of Addresses with a name, the host:port at which the peer
	// proved itself last. It is used while the name cannot be looked up.
	Reached map[string]string `json:"reached,omitempty"`
	// ClockOffset is how far the peer's wall clock was ahead of ours at pairing
	// (negative: behind). More than ClockTolerance deserves a warning.
	ClockOffset time.Duration `json:"clock_offset"`
}

// ClockTolerance is how far the wall clocks of the two appliances may be apart
// before an administrator should be told.
const ClockTolerance = 60 * time.Second

// Keeper keeps the secrets. Load returns the zero value if nothing was saved
// yet; Save is durable when it returns.
type Keeper interface {
	Load() (Secrets, error)
	Save(secrets Secrets) error
}

// errNotSaved is a failure of this appliance, not of the peer or the network.
var errNotSaved = errors.New("save the secrets of the peer link")

// vault holds the secrets in memory, equal to what the keeper holds.
type vault struct {
	keeper Keeper

	changing sync.Mutex // one change at a time

	mu      sync.Mutex // never held while the disk is waited for
	secrets Secrets
}

func openVault(keeper Keeper) (*vault, error) {
	secrets, err := keeper.Load()
	if err != nil {
		return nil, fmt.Errorf("load the secrets of the peer link: %w", err)
	}
	return &vault{keeper: keeper, secrets: secrets}, nil
}

// read returns a copy that the caller may keep.
func (v *vault) read() Secrets {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.secrets.clone()
}

// change applies f and saves the outcome; if f or the keeper fails, nothing changes.
func (v *vault) change(f func(*Secrets) error) error {
	v.changing.Lock()
	defer v.changing.Unlock()
	next := v.read()
	if err := f(&next); err != nil {
		return err
	}
	if err := v.keeper.Save(next.clone()); err != nil {
		return fmt.Errorf("%w: %w", errNotSaved, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.secrets = next
	return nil
}

func (s Secrets) clone() Secrets {
	s.Key.PRS = slices.Clone(s.Key.PRS)
	if s.Previous != nil {
		previous := *s.Previous
		previous.PRS = slices.Clone(previous.PRS)
		s.Previous = &previous
	}
	if s.Peer != nil {
		peer := s.Peer.clone()
		s.Peer = &peer
	}
	return s
}

func (p Pinned) clone() Pinned {
	p.Addresses, p.Reached = slices.Clone(p.Addresses), maps.Clone(p.Reached)
	return p
}

// peer returns the pinned peer; without one, an empty peer.
func (s Secrets) peer() Pinned {
	if s.Peer == nil {
		return Pinned{}
	}
	return *s.Peer
}

// numbered returns the key with that number, else the current one: keys are tried also if
// the numbers on the two sides differ.
func (s Secrets) numbered(number int) Key {
	if s.Previous != nil && s.Previous.Number == number && s.Key.Number != number {
		return *s.Previous
	}
	return s.Key
}
