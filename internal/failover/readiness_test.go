package failover

import (
	"slices"
	"strings"
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
	s.Phase, s.PrimaryHeard, s.PeerHeard, s.SnapshotAt = pair.Steady, at(now), at(now), at(now)
	s.Stopping, s.DutyAgain = false, Moment{} // its services rest
	s.Peer = pair.View{ID: "a", PairID: "p", Role: pair.Primary, Epoch: s.Record.Epoch, SharedIP: true}
	return c, s
}

// spoilers make a backup not ready, for each reason for which it may not be.
func spoilers() map[Reason]func(*Config, *State) {
	return map[Reason]func(*Config, *State){
		EpochsClash:    func(_ *Config, s *State) { s.Phase = pair.Conflict },
		NotSetAside:    func(_ *Config, s *State) { s.Phase, s.Record.Diverged = pair.Releasing, s.Record.Epoch },
		EffectsPending: func(_ *Config, s *State) { s.Phase, s.Stopping = pair.Releasing, true },
		PeerRefusesUs:  func(_ *Config, s *State) { s.Failed, s.Failure = at(s.Now), pair.KeyMismatch },
		NeverHeard:     func(_ *Config, s *State) { s.Phase, s.PrimaryHeard = pair.Waiting, Moment{} },
		OperationsOff:  func(c *Config, _ *State) { c.BackupOperations = false },
		AutomaticOff:   func(c *Config, _ *State) { c.AutomaticFailover = false },
		NoSharedIP:     func(_ *Config, s *State) { s.Peer.SharedIP = false },
		OtherSharedIPs: func(c *Config, s *State) { c.Ticked, s.Peer.Ticked = 1, 2 },
		NoTestIPs:      func(c *Config, _ *State) { c.TestIPs = 0 },
		InMaintenance:  func(_ *Config, s *State) { s.Peer.Maintenance = true },
		Paused:         func(_ *Config, s *State) { s.Record.Damped = true },
		TooManyTakeovers: func(_ *Config, s *State) {
			s.Takeovers = [3]Moment{at(s.Now), at(s.Now.Add(-time.Minute)), at(s.Now.Add(-damping + time.Second))}
		},
		NoSnapshot:     func(_ *Config, s *State) { s.Record.Snapshot = pair.Snapshot{} },
		PrimarySetBack: func(_ *Config, s *State) { s.Peer.SetBack = true },
		DataIsTorn:     func(_ *Config, s *State) { s.Torn = true },
		DataTooOld:     func(c *Config, s *State) { c.MaxDataAge, s.SnapshotAt = time.Minute, at(s.Now.Add(-time.Hour)) },
		NotSaved:       func(_ *Config, s *State) { s.Unwritable = true },
		NoCarrier:      func(_ *Config, s *State) { s.Unplugged = at(s.Now.Add(-time.Minute)) },
		DataAgeUnknown: func(c *Config, s *State) { c.MaxDataAge, s.SnapshotAt = time.Minute, Moment{} },
		ToldToStop:     func(_ *Config, s *State) { s.Leaving = Leaves },
		WouldTakeOver:  func(c *Config, _ *State) { c.ObserveOnly = true },
	}
}

func TestReadinessSaysWhatWouldHappen(t *testing.T) {
	c, s := readyBackup()
	if got := c.Readiness(s); got != Agreed {
		t.Errorf("a ready backup: %q", got)
	}
	for want, spoil := range spoilers() {
		c, s := readyBackup()
		spoil(&c, &s)
		if got := c.Readiness(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A backup that is not ready has a condition that says so, with the same next step.
func TestWhateverMakesABackupNotReadyIsACondition(t *testing.T) {
	c, s := readyBackup()
	for _, guard := range eligibilityGuards(facts{&s, &c, s.Now}) {
		if spoilers()[guard.refusal] == nil {
			t.Errorf("%q: this test does not know how a backup comes to that", guard.refusal)
		}
	}
	if found := c.Conditions(s); len(found) > 0 {
		t.Errorf("a ready backup has conditions: %v", found)
	}
	for why, spoil := range spoilers() {
		if why == DataIsTorn { // told by the edge, which knows of which data
			continue
		}
		c, s := readyBackup()
		s.Since = s.Now.Add(-time.Minute)
		spoil(&c, &s)
		told := slices.ContainsFunc(c.Conditions(s), func(found pair.Condition) bool { return found.NextStep == c.Remedy(s, why) })
		if !told {
			t.Errorf("%q is told by no condition with its next step: %v", why, c.Conditions(s))
		}
	}
}

// A peer may refuse for its key, its certificate or its version: the next step is that of
// what it is.
func TestThePeersRefusalHasTheNextStepOfItsCause(t *testing.T) {
	for failure, id := range map[pair.PollFailure]string{
		pair.KeyMismatch: "key-mismatch", pair.IdentityChanged: "peer-identity-changed", pair.VersionMismatch: "peer-version",
	} {
		c, s := readyBackup()
		s.Failed, s.Failure = at(s.Now), failure
		for _, found := range c.Conditions(s) {
			if step := c.Remedy(s, c.Readiness(s)); found.ID == id && step != found.NextStep {
				t.Errorf("%s says %q, and readiness %q", id, found.NextStep, step)
			}
		}
	}
}

// The reasons of a backup are told on its primary, where "this appliance" is another.
func TestWhyASickSiteStaysIsSaidOfTheRightAppliance(t *testing.T) {
	for want, spoil := range map[string]func(*Config, *State){
		"": func(*Config, *State) {},
		"It stays here: The site was sick on the other appliance as well: the fault moves with the data, or lies outside both.": func(_ *Config, s *State) { s.Peer.Sick = true },
		"It stays here: The backup could not run the site: baton doctor says there what stands against it.":                     func(_ *Config, s *State) { s.Peer.Unfit = true },
		"It stays here: The backup is not ready to take over.":                                                                  func(_ *Config, s *State) { s.Peer.Eligible = false },
		"It stays here: The interface of a shared IP has no carrier on the backup, either.":                                     func(_ *Config, s *State) { s.Unplugged, s.Peer.Plugged = at(s.Now.Add(-time.Minute)), false },
		"It stays here: The peer does not answer.":                                                                              func(_ *Config, s *State) { s.Now = s.Now.Add(time.Minute) },
		"It stays here: Enable Automatic Failover is off.":                                                                      func(c *Config, _ *State) { c.AutomaticFailover = false },
	} {
		c, s := readyBackup()
		s.Record.Role, s.Peer.Role, s.Peer.Eligible, s.Peer.Plugged, s.Door, s.Sick = pair.Primary, pair.Backup, true, true, Open, true
		spoil(&c, &s)
		if got := c.Because(s, "site-sick"); got != want {
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

// What another check of the site has found says nothing once the check is changed: with
// the same change automatic failover may be turned on.
func TestAnotherSiteCheckHasYetToJudge(t *testing.T) {
	c, s := readyBackup()
	s.Record, s.Phase, s.Door = pair.Record{Role: pair.Primary, Epoch: s.Record.Epoch}, pair.Steady, Open
	s.Peer.Role, s.Peer.Eligible, s.Confirmed, s.Sick = pair.Backup, true, at(s.Now), true
	offers := func(c Config) bool {
		_, actions := c.Next(s, s.Now, Tick{})
		return slices.Contains(actions, Action(OfferHandover{Wait: handoverLimit}))
	}
	if !offers(c) {
		t.Fatal("a sick primary offers nothing")
	}
	c.SiteCheck = pair.HealthCheck{TCP: "127.0.0.1:80"}
	if offers(c) {
		t.Error("it offers the site for what another check has found")
	}
}

// Protection without a living backup is none, whatever is set.
func TestNothingIsProtectedWithoutAPeerThatAnswers(t *testing.T) {
	c, s := readyBackup()
	if c.ProtectionLevel(s, false) == 0 {
		t.Fatal("a whole pair is not protected")
	}
	for name, spoil := range map[string]func(*State){
		"silent":      func(s *State) { s.Now = s.Now.Add(time.Minute) },
		"conflict":    func(s *State) { s.Phase = pair.Conflict },
		"two backups": func(s *State) { s.Peer.Role = pair.Backup },
		"another key": func(s *State) { s.Failed, s.Failure, s.Now = at(s.Now), pair.KeyMismatch, s.Now.Add(time.Minute) },
	} {
		c, s := readyBackup()
		spoil(&s)
		level, step := c.ProtectionLevel(s, true), c.ProtectionStep(s, true)
		if level != 0 || step == "" || strings.Contains(step, "Bring the peer back") != (name == "silent") {
			t.Errorf("%s: level %d, and to raise it: %q", name, level, step)
		}
	}
}

func TestServedSaysWhoServesTheSite(t *testing.T) {
	alone := pair.Record{Role: pair.Standalone}
	primary := pair.Record{Role: pair.Primary}
	for name, row := range map[string]struct {
		spoil func(*State)
		want  Served
	}{
		"by the primary":           {func(s *State) { s.Peer.Serving = true }, ServedByPeer},
		"here":                     {func(s *State) { s.Record, s.Door = primary, Open }, ServedHere},
		"alone":                    {func(s *State) { s.Record, s.Door = alone, Open }, ServedHere},
		"alone, and closed":        {func(s *State) { s.Record, s.Door = alone, Closed }, ServedNowhere},
		"two primaries, no site":   {func(s *State) { s.Record, s.Phase, s.Peer.Phase = primary, pair.Conflict, pair.Conflict }, ServedNowhere},
		"by nobody":                {func(*State) {}, ServedNowhere},
		"the primary is silent":    {func(s *State) { s.Peer.Serving, s.Now = true, s.Now.Add(time.Minute) }, ServedUnknown},
		"isolated":                 {func(s *State) { s.Record, s.Phase, s.Now = primary, pair.Isolated, s.Now.Add(time.Minute) }, ServedUnknown},
		"in a planned switch":      {func(s *State) { s.Phase = pair.Handover }, ServedInAMoment},
		"requests held here":       {func(s *State) { s.Record, s.Door, s.Switch.Step = primary, Open, Holding }, ServedInAMoment},
		"services not back yet":    {func(s *State) { s.Record, s.Door, s.Switch.Step = primary, Open, Resuming }, ServedInAMoment},
		"services have failed":     {func(s *State) { s.Record, s.Door, s.Switch.Step, s.Broken = primary, Open, Resuming, StartOfServices }, ServedHere},
		"requests held there":      {func(s *State) { s.Peer.Serving, s.Peer.Hold.Awaits = true, pair.AwaitsRequests }, ServedInAMoment},
		"just handed over":         {func(s *State) { s.Record, s.Door, s.Peer.Hold.Awaits = primary, Open, pair.AwaitsFinalSync }, ServedHere},
		"handed over by the other": {func(s *State) { s.Peer.Phase = pair.Handover }, ServedInAMoment},
	} {
		c, s := readyBackup()
		row.spoil(&s)
		if got := c.Served(s, s.Now); got != row.want {
			t.Errorf("%s: %d, want %d", name, got, row.want)
		}
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
