package failovertest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Default is what a new pair is set to, with automatic failover on.
func Default() failover.Config {
	return failover.Config{
		PairID: "pair", Version: "1", Timeout: 5 * time.Second, Poll: 500 * time.Millisecond, TestIPs: 1,
		SharedIP: true, BackupOperations: true, AutomaticFailover: true,
	}
}

var (
	errUnknown = errors.New("unknown command")
	errSide    = errors.New("name alpha or beta")
)

// command plays one command.
func (t *telling) command(words []string) error {
	verb, rest := words[0], words[1:]
	switch verb {
	case "pair", "stored", "standalone":
		return t.begin(verb, rest)
	case "run":
		span, err := time.ParseDuration(rest[0])
		if err == nil {
			t.run(span)
		}
		return err
	case "cut":
		return t.network(strings.Join(rest, " "), false)
	case "mend":
		return t.network(strings.Join(rest, " "), true)
	case "heal":
		t.world.Heal()
		t.world.Mismatch = pair.NoAnswer
		return nil
	case "squat", "leave":
		t.world.Squatter = verb == "squat"
		return nil
	case "mismatch":
		t.world.Mismatch = pair.KeyMismatch
		return nil
	case "status":
		t.status()
		return nil
	}
	side := slices.Index([]string{"alpha", "beta"}, rest[0])
	if side < 0 {
		return errSide
	}
	return t.machine(verb, side, rest[1:])
}

// begin makes the world of a story.
func (t *telling) begin(kind string, words []string) error {
	c, err := t.config(words)
	if err != nil {
		return err
	}
	t.mute, t.raised, t.served = true, [2]map[string]bool{}, [2]bool{}
	switch kind {
	case "pair":
		t.world = NewPair(c, nil)
	case "stored":
		t.world = Paired(c)
		for side := range t.world.Sides {
			t.world.Sides[side].Disk.Snapshot = pair.Snapshot{Number: 1, Epoch: t.world.Sides[side].Disk.Epoch, TakenAt: 1}
			t.world.Sides[side].Offer = pair.Snapshot{Number: 1, Epoch: t.world.Sides[side].Disk.Epoch}
		}
	default:
		t.world = New(c)
	}
	t.tellChanges()
	t.mute = false
	t.began = t.world.Now
	return nil
}

// network cuts or mends: "alpha" (the cable), "link" (between the two), "alpha
// beta" (one way), "polls" (messages, though frames pass), "gateway" (for both),
// "gateway alpha".
func (t *telling) network(what string, whole bool) error {
	w := &t.world
	switch what {
	case "alpha":
		w.Cable(Alpha, whole)
	case "beta":
		w.Cable(Beta, whole)
	case "link":
		w.Link = [2]bool{whole, whole}
	case "polls":
		w.Mute = !whole
	case "alpha beta":
		w.Link[Alpha] = whole
	case "beta alpha":
		w.Link[Beta] = whole
	case "gateway":
		w.Gateway = [2]bool{whole, whole}
	case "gateway alpha":
		w.Gateway[Alpha] = whole
	case "gateway beta":
		w.Gateway[Beta] = whole
	default:
		return errUnknown
	}
	return nil
}

// machine plays what happens to one appliance.
func (t *telling) machine(verb string, side int, words []string) error {
	w, s := &t.world, &t.world.Sides[side]
	switch verb {
	case "start":
		w.Start(side, t.see)
	case "kill":
		w.Kill(side)
	case "restart":
		w.Restart(side)
	case "poweroff":
		w.PowerOff(side)
	case "pause":
		s.Paused = true
	case "thaw":
		w.Sides[side].Paused = false
	case "crash-after-save":
		s.CrashAfter = true
	case "pause-after-save":
		s.PauseAfter = true
	case "stray":
		epoch := pair.Epoch{Counter: s.State.Record.Epoch.Counter + 7, Holder: "gamma"}
		view := s.State.Peer
		view.Epoch, view.Lineage = epoch, pair.Lineage{}.Begin(epoch, 0)
		w.feed(side, failover.Heard{View: view, Confirmed: s.Acked}, t.see)
	case "lose-answer":
		s.LosesAnswer = true
	case "duplicate":
		w.feed(side, failover.Heard{View: s.State.Peer, Confirmed: s.Acked}, t.see)
	case "tear", "whole": // a snapshot is half in place; or is so no more
		s.Torn = verb == "tear"
		w.feed(side, failover.DataTorn{Torn: s.Torn}, t.see)
	case "set-back":
		w.SetBack(side)
	case "earlier": // its version does not tell what a hold waits for
		s.Earlier = true
	case "clock-back":
		s.ClockBack = true
	case "lose-snapshot":
		s.Disk.Snapshot = pair.Snapshot{}
	default:
		return t.adjust(verb, side, words)
	}
	return nil
}

// adjust plays what needs a value: "fail alpha save 2", "fail alpha save 1 after 2", "slow alpha stop 3s",
// "deaf alpha 2", "disk alpha primary 3@gamma 1@beta", "set alpha timeout=9s".
func (t *telling) adjust(verb string, side int, words []string) error {
	s := &t.world.Sides[side]
	switch verb {
	case "fail", "slow":
		return s.work(verb, words)
	case "deaf":
		number, err := strconv.ParseUint(words[0], 10, 8)
		s.Deaf = uint8(number)
		return err
	case "disk":
		t.world.Forced = true // what the disks say has not been so from the start
		return s.disk(words)
	case "set":
		for _, word := range words {
			if err := set(&s.Config, word); err != nil {
				return err
			}
		}
		t.world.feed(side, failover.Tick{}, t.see)
		return nil
	}
	ev, err := wordOf(verb, words)
	if err == nil {
		t.world.Command(side, ev, t.see)
	}
	return err
}

func (s *Side) work(verb string, words []string) error {
	for k := range works {
		if k.String() != words[0] {
			continue
		}
		if verb == "slow" {
			takes, err := time.ParseDuration(words[1])
			s.Takes[k] = takes
			return err
		}
		return s.fail(k, words[1:])
	}
	return fmt.Errorf("%s: %w", words[0], errUnknown)
}

// fail has attempts fail: "2", "always", "1 after 2".
func (s *Side) fail(k Work, words []string) error {
	if len(words) == 3 && words[1] == "after" {
		spared, err := strconv.ParseUint(words[2], 10, 8)
		if err != nil {
			return err
		}
		s.Spares[k] = uint8(spared)
	}
	if words[0] == "always" {
		s.Fails[k] = always
		return nil
	}
	times, err := strconv.ParseUint(words[0], 10, 8)
	s.Fails[k] = uint8(times)
	return err
}

// disk stores another past: a role, and epochs from the newest to the oldest.
func (s *Side) disk(words []string) error {
	role, err := pair.ParseRole(words[0])
	if err != nil {
		return err
	}
	s.Disk.Role, s.Disk.Lineage = role, pair.Lineage{}
	for _, word := range slices.Backward(words[1:]) {
		if s.Disk.Epoch, err = epochOf(word); err != nil {
			return err
		}
		s.Disk.Lineage = s.Disk.Lineage.Begin(s.Disk.Epoch, s.Disk.Epoch.Counter-1)
	}
	return nil
}

// epochOf reads "3@beta".
func epochOf(word string) (pair.Epoch, error) {
	counter, holder, _ := strings.Cut(word, "@")
	number, err := strconv.ParseUint(counter, 10, 64)
	return pair.Epoch{Counter: number, Holder: pair.ApplianceID(holder)}, err
}

// wordOf is an administrator's word, or what an edge tells.
func wordOf(verb string, words []string) (failover.Event, error) {
	has := func(word string) bool { return slices.Contains(words, word) }
	switch verb {
	case "become-primary":
		return failover.BecomePrimary{FinalSync: has("final"), Force: has("force")}, nil
	case "maintenance":
		return failover.SetMaintenance{On: has("on")}, nil
	case "resume":
		return failover.Resume{}, nil
	case "unpair":
		return failover.BecomeStandalone{}, nil
	case "establish":
		role := pair.Backup
		if has("primary") {
			role = pair.Primary
		}
		return failover.BecomePaired{Role: role}, nil
	case "stop":
		within, err := time.ParseDuration(words[0])
		return failover.Stop{Within: within}, err
	case "sick":
		return failover.SiteHealth{Sick: !has("no")}, nil
	case "fit", "unfit":
		return failover.DryStartEnded{Fit: verb == "fit"}, nil
	case "carrier":
		return failover.CarrierSeen{Up: !has("out")}, nil
	case "ticked":
		return failover.AddressTicked{Free: has("free")}, nil
	case "writable", "unwritable":
		return failover.StoreChecked{OK: verb == "writable"}, nil
	case "foreign":
		return failover.ForeignOwner{}, nil
	case "hold-asked", "commit-asked":
		epoch, err := epochOf(words[0])
		if verb == "hold-asked" {
			return failover.HoldAsked{Epoch: epoch}, err
		}
		return failover.CommitAsked{Next: epoch, Snapshot: pair.Snapshot{Number: 1, Epoch: epoch}, Final: has("final")}, err
	}
	return nil, fmt.Errorf("%s: %w", verb, errUnknown)
}

// set changes one setting from its word.
func set(c *failover.Config, word string) (err error) {
	key, value, _ := strings.Cut(word, "=")
	on := value != "off"
	switch key {
	case "timeout":
		c.Timeout, err = time.ParseDuration(value)
		c.Poll = pollOf(c.Timeout)
	case "test-ips":
		c.TestIPs, err = strconv.Atoi(value)
	case "max-data-age":
		c.MaxDataAge, err = time.ParseDuration(value)
	case "majority":
		c.Majority = on
	case "observe":
		c.ObserveOnly = on
	case "shared-ip":
		c.SharedIP = on
	case "ticked":
		c.Ticked, err = strconv.ParseUint(value, 10, 64)
	case "traffic-lease":
		c.TrafficLease = on
	case "front":
		c.Front = on
	case "stop-limit":
		c.StopLimit, err = time.ParseDuration(value)
	case "operations":
		c.BackupOperations = on
	case "automatic":
		c.AutomaticFailover = on
	default:
		err = errUnknown
	}
	return err
}

// status tells where both stand, and what makes each unable to take over.
func (t *telling) status() {
	for side := range t.world.Sides {
		s := &t.world.Sides[side]
		runs := map[pair.Duty]string{pair.Lead: ", services run", pair.Follow: ", services follow"}[s.Runs]
		if !s.alive() {
			t.say(side, "is not running%s", runs)
			continue
		}
		line := s.State.Place().String() + ", " + s.State.Record.Epoch.String()
		if s.Address != 0 {
			line += ", holds the shared IP"
		}
		line += runs
		if _, why := s.Config.Eligible(s.State); s.State.Record.Role == pair.Backup {
			line += ". " + why.String()
		}
		if text := s.Config.SwitchProgress(s.State); text != "" {
			line += " " + text
		}
		if s.State.Blocked != failover.Agreed {
			line += " Waits: " + s.State.Blocked.String()
		}
		t.say(side, "%s", line)
	}
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
