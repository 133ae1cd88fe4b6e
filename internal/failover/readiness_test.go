package failover

import (
	"slices"
	"testing"
	"time"

	"baton/internal/pair"
)

func readyBackup() (Config, State) {
	c := Config{
		Self: "b", PairID: "p", Timeout: 5 * time.Second, Poll: 500 * time.Millisecond, TestIPs: 1, SharedIP: true,
		BackupOperations: true, AutomaticFailover: true,
	}
	now := Instant(time.Hour)
	s := c.Start(pair.Record{Role: pair.Backup, Epoch: pair.Epoch{Counter: 3, Holder: "a"}, Snapshot: pair.Snapshot{Number: 4}}, now)
	s.Phase, s.PrimaryHeard, s.PeerHeard = pair.Steady, at(now), at(now)
	s.Peer = pair.View{ID: "a", PairID: "p", Role: pair.Primary, Epoch: s.Record.Epoch, SharedIP: true}
	return c, s
}

func TestReadinessSaysWhatWouldHappen(t *testing.T) {
	for want, spoil := range map[Reason]func(*Config, *State){
		Agreed:        func(*Config, *State) {},
		AutomaticOff:  func(c *Config, _ *State) { c.AutomaticFailover = false },
		WouldTakeOver: func(c *Config, _ *State) { c.ObserveOnly = true },
		EpochsClash:   func(_ *Config, s *State) { s.Phase = pair.Conflict },
		NotSetAside:   func(_ *Config, s *State) { s.Record.Diverged = s.Record.Epoch },
		PeerRefusesUs: func(_ *Config, s *State) { s.Failed, s.Failure = at(s.Now), pair.KeyMismatch },
		NoSnapshot:    func(_ *Config, s *State) { s.Record.Snapshot = pair.Snapshot{} },
		InMaintenance: func(_ *Config, s *State) { s.Peer.Maintenance = true },
	} {
		c, s := readyBackup()
		spoil(&c, &s)
		if got := c.Readiness(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRefusalIsKnownBeforeTheCommand(t *testing.T) {
	c, s := readyBackup()
	if why := c.Refusal(s, s.Now, BecomePrimary{FinalSync: true}); why != Agreed || !c.Reaches(s, s.Now) {
		t.Errorf("an ordinary switch: %q", why)
	}
	late := s.Now.Add(time.Minute)
	if why := c.Refusal(s, late, BecomePrimary{}); why != PeerSilent || c.Reaches(s, late) {
		t.Errorf("a silent primary: %q", why)
	}
	if why := c.Refusal(s, late, BecomePrimary{Force: true}); why != Agreed {
		t.Errorf("a silent primary, forced: %q", why)
	}
	s.Evidence.Owned = at(late)
	if why := c.Refusal(s, late, BecomePrimary{Force: true}); why != AddressAnswers {
		t.Errorf("the shared IP answers: %q", why)
	}
}

func TestEveryProtectionLevelSaysWhatWouldRaiseIt(t *testing.T) {
	c, s := readyBackup()
	for _, raise := range []func(){
		func() { c.TestIPs, c.SharedIP, s.Peer.SharedIP, c.Timeout = 0, false, false, time.Second },
		func() { c.TestIPs = 1 },
		func() { c.SharedIP = true },
		func() { s.Peer.SharedIP = true },
		func() { c.Timeout = 5 * time.Second },
	} {
		before := c.ProtectionStep(s, false)
		raise()
		if after := c.ProtectionStep(s, false); after == before || after == "" {
			t.Errorf("after a step the next one is %q again", after)
		}
	}
	if c.ProtectionLevel(s, false) != 2 || c.ProtectionStep(s, true) == c.ProtectionStep(s, false) {
		t.Error("all steps done, and yet not level 2, then 3")
	}
}

// A message of the peer that lay in a queue while the cable was out tells what the
// peer was. Nobody is to be told for it that there is no primary.
func TestALateMessageOfAFormerBackupIsNoLackOfAPrimary(t *testing.T) {
	c, s := readyBackup()
	s.Peer.Role = pair.Backup
	lacks := func() bool {
		return slices.ContainsFunc(c.Conditions(s), func(found pair.Condition) bool { return found.ID == "no-primary" })
	}
	if lacks() {
		t.Error("told although the primary was heard just now")
	}
	s.Now = s.Now.Add(c.Timeout + time.Millisecond)
	if !lacks() {
		t.Error("not told although no primary has been heard for the timeout")
	}
}
