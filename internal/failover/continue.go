package failover

import "baton/internal/pair"

// A daemon that is restarted, or replaced by a new version, without taking the site down. The
// process that ends renews the kernel's leases once more, and leaves until when it was
// entitled to serve. The next one goes on in the epoch that is stored, until that instant; for
// longer only if the peer answers it, or test IPs do. To the peer, the two are one daemon that
// was slow for a moment.

// Continuation is what a process leaves to the next one of the same boot.
type Continuation struct {
	Epoch pair.Epoch
	Until Instant
}

// Continuation returns what this process may leave; false if the next one has to begin anew.
func (c Config) Continuation(s State, now Instant) (left Continuation, ok bool) {
	f := facts{&s, &c, now}
	serves := s.Record.Role != pair.Backup && s.Door == Open && s.Switch.Step == NoSwitch && !s.Forced && s.Leaving == Stays
	left = Continuation{s.Record.Epoch, min(f.entitledUntil(), now.Add(addressLease(f.timeout())))}
	return left, serves && now < left.Until
}

// goOn serves on where the process before left off, in the first turn; or takes off what that
// one left on.
func goOn(t *turn, left Continuation) {
	over := t.now >= left.Until && t.obeys(GuardContinue)
	if over || left.Epoch != t.Record.Epoch || t.Record.Role == pair.Backup || t.Record.Taken || t.Phase != pair.Waiting {
		t.Held = true
		t.do(Release{})
		return
	}
	t.Inherited, t.ArmedAt = left.Until, Moment{} // it is entitled by nothing else yet
	askServices(t, pair.Lead)
	putOn(t)
	if t.Record.Role == pair.Primary {
		t.enter(pair.Primary, pair.Claiming, Restarted)
	}
}
