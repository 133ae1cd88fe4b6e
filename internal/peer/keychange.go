package peer

import (
	"context"
	"slices"
	"time"

	"baton/internal/pair"
)

// proveEvery is how often a changed key is proved again until the peer has it.
const proveEvery = 30 * time.Second

// KeyState returns what may be shown of the pre-shared key.
func (l *Link) KeyState() KeyState {
	secrets := l.vault.read()
	state := KeyState{Set: !secrets.Key.IsZero(), SetAt: secrets.Key.SetAt, Fingerprint: secrets.Key.Fingerprint()}
	if secrets.Previous != nil {
		state.Pending, state.Previous = true, secrets.Previous.Fingerprint()
	}
	return state
}

// SetKey saves a pre-shared key. While paired, the key before it stays valid
// until both appliances have proved the new one, or EndPreviousKey. It also
// admits pairing attempts again after too many wrong ones. It costs about 0.1 s.
func (l *Link) SetKey(ctx context.Context, text string) (Key, error) {
	key, err := Stretch(text)
	if err != nil {
		return Key{}, err
	}
	if err := ctx.Err(); err != nil {
		return Key{}, err
	}
	key.SetAt = l.options.Now().UTC()
	var saved Key
	err = l.vault.change(func(s *Secrets) error {
		s.replaceKey(key)
		s.Unconfirmed = 0
		saved = s.clone().Key
		return nil
	})
	if err != nil {
		return Key{}, err
	}
	l.freshStart()
	l.event("", pair.KindSettingChanged, "The pre-shared key was saved, fingerprint "+saved.Fingerprint()+".",
		map[string]string{"fingerprint": saved.Fingerprint()})
	return saved, nil
}

// replaceKey makes key the current one. While paired, the key that the peer proved last
// stays valid; a new key that it never proved does not.
func (s *Secrets) replaceKey(key Key) {
	switch {
	case slices.Equal(key.PRS, s.Key.PRS):
		s.Key.SetAt = key.SetAt
	case s.Peer == nil || s.Key.IsZero():
		key.Number = max(1, s.Key.Number)
		s.Key, s.Previous = key, nil
	case s.Key.Unproved: // else it would replace a key that the peer knows
		key.Number, key.Unproved = s.Key.Number, true
		s.Key = key
	case s.Previous != nil && slices.Equal(key.PRS, s.Previous.PRS):
		s.Key, s.Previous = *s.Previous, nil // the change is taken back
	default:
		if s.Previous == nil {
			proved := s.Key
			s.Previous = &proved
		}
		key.Number = s.Previous.Number + 1
		s.Key = key
	}
}

// EndPreviousKey makes the old key invalid although the peer has not proved the new one, and
// closes the connections that were opened with it.
func (l *Link) EndPreviousKey(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.vault.change(func(s *Secrets) error {
		s.Key.Unproved = s.Key.Unproved || s.Previous != nil
		s.Previous = nil
		return nil
	})
	if err != nil {
		return err
	}
	l.closeConns()
	l.control.Reset()
	l.bulk.Reset()
	l.event("", pair.KindSettingChanged, "The previous pre-shared key is no longer valid.", nil)
	return nil
}

// freshStart lets everybody try again, and proves the current key to the peer.
func (l *Link) freshStart() {
	l.Pairing.retryFrom.Store(nil)
	l.strangers.reset()
	l.pinned.reset()
	if l.vault.read().Peer != nil {
		l.control.Renew()
	}
}

// proved notes that both appliances know a key. If it is the current one, the previous key
// is forgotten, and both use the higher number of the two.
func (l *Link) proved(result proven) error {
	secrets := l.vault.read()
	current := slices.Equal(secrets.Key.PRS, result.key.PRS)
	number := max(secrets.Key.Number, result.peer.Key)
	if !current || (secrets.Previous == nil && secrets.Key.Number == number && !secrets.Key.Unproved) {
		return nil
	}
	return l.vault.change(func(s *Secrets) error {
		if slices.Equal(s.Key.PRS, result.key.PRS) {
			s.Previous, s.Key.Number, s.Key.Unproved = nil, max(s.Key.Number, result.peer.Key), false
		}
		return nil
	})
}

// proveAgain proves a new key that the peer does not have yet.
func (l *Link) proveAgain(context.Context) {
	if s := l.vault.read(); s.Previous != nil && s.Peer != nil {
		l.control.Renew()
	}
}
