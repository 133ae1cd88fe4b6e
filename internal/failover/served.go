package failover

import "baton/internal/pair"

// Served says where the site is served now, as far as one appliance knows.
type Served uint8

// The answers.
const (
	ServedUnknown Served = iota // not here, and the peer does not tell
	ServedHere
	ServedByPeer
	ServedNowhere   // neither here nor by the peer, which tells so
	ServedInAMoment // a planned switch is under way or rolled back, and requests are held
)

// Served says where the site is served now. What the peer told before it fell silent
// says nothing about now.
func (c Config) Served(s State, now Instant) Served {
	told := s.Record.Role != pair.Standalone && c.Hears(s, now) && s.Phase != pair.Suspect
	switch {
	case s.Switch.holds(), s.Switch.Step == Forwarding, s.PassedOn == Never, s.Switch.Step == Resuming && s.Broken != StartOfServices:
		return ServedInAMoment
	case s.Serving() && s.Record.Role != pair.Backup:
		return ServedHere
	case told && s.Peer.Hold.Awaits != pair.AwaitsNothing:
		return ServedInAMoment
	case told && s.Peer.Serving && s.Peer.Phase != pair.Conflict:
		return ServedByPeer
	case s.Phase == pair.Handover, told && s.Peer.Phase == pair.Handover:
		return ServedInAMoment
	case told, s.Record.Role == pair.Standalone:
		return ServedNowhere
	}
	return ServedUnknown
}
