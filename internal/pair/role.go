package pair

import "fmt"

// Role says what an appliance is to its pair. The zero value is standalone.
type Role uint8

// The three roles.
const (
	Standalone Role = iota // no relationship
	Primary                // holds the shared IP and serves the site while entitled
	Backup                 // holds a copy of the data and watches the primary
)

// Roles lists every role, in order.
func Roles() []Role { return []Role{Standalone, Primary, Backup} }

// String returns the role as it is written everywhere: "standalone", "primary", "backup".
func (r Role) String() string {
	switch r {
	case Standalone:
		return "standalone"
	case Primary:
		return "primary"
	case Backup:
		return "backup"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// ParseRole is the inverse of String.
func ParseRole(text string) (Role, error) {
	for _, r := range Roles() {
		if r.String() == text {
			return r, nil
		}
	}
	return Standalone, fmt.Errorf("unknown role %q: use standalone, primary or backup", text)
}

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}

// Phase says what an appliance is doing within its role; status calls it "state".
// The zero value is steady.
type Phase uint8

// The phases. Which of them serve is decided in package failover.
const (
	Steady      Phase = iota // all is well
	Waiting                  // just started, or back from isolation: asking before acting
	Suspect                  // backup: polls fail, the timeout runs
	Claiming                 // on the way to primary: epoch stored, data and services being opened
	Releasing                // on the way down: shared IP off, services being stopped
	Alone                    // primary: serves, but hears no peer
	Isolated                 // primary: hears neither peer nor enough test IPs, does not serve
	Conflict                 // both claim the same epoch, or lineages that do not meet: an administrator decides
	Handover                 // a planned switch is under way
	Maintenance              // automatic actions are off
)

// Phases lists every phase, in order.
func Phases() []Phase {
	return []Phase{Steady, Waiting, Suspect, Claiming, Releasing, Alone, Isolated, Conflict, Handover, Maintenance}
}

// String returns the phase as status shows it.
func (p Phase) String() string {
	switch p {
	case Steady:
		return "steady"
	case Waiting:
		return "waiting"
	case Suspect:
		return "suspect"
	case Claiming:
		return "claiming"
	case Releasing:
		return "releasing"
	case Alone:
		return "alone"
	case Isolated:
		return "isolated"
	case Conflict:
		return "conflict"
	case Handover:
		return "handover"
	case Maintenance:
		return "maintenance"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText implements encoding.TextMarshaler.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Phase) UnmarshalText(text []byte) error {
	for _, known := range Phases() {
		if known.String() == string(text) {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("unknown state %q", text)
}
