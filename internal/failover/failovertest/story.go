package failovertest

import (
	"fmt"
	"strings"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// A story is a script: lines that begin with ">" are commands, the lines below
// each are what came of it, "#" begins a comment. RunStory plays the commands
// and writes the script anew, with what really came of them.
//
// What came of a command: changes of role and phase with their reason, visible
// actions, conditions that are raised (+) and cleared (-), and what the kernel
// does by itself, each with its time since the command began.

// Change may alter the configuration of both appliances, to see what a story
// makes of it. It may be nil.
type Change func(failover.Config) failover.Config

// RunStory plays a script. It returns it with the outcome in place, and the
// changes that it saw.
func RunStory(script string, change Change) (string, map[failover.Explain]int, error) {
	t := &telling{change: change, seen: map[failover.Explain]int{}}
	for number, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			t.out.WriteString(line + "\n")
			t.began = t.world.Now
			if err := t.command(strings.Fields(line[2:])); err != nil {
				return "", nil, fmt.Errorf("line %d: %s: %w", number+1, line, err)
			}
			t.tellChanges()
		case line == "" || strings.HasPrefix(line, "#"):
			t.out.WriteString(line + "\n")
		}
	}
	return t.out.String(), t.seen, nil
}

// telling is a story while it is told.
type telling struct {
	world  World
	change Change
	out    strings.Builder
	began  failover.Instant
	mute   bool
	raised [2]map[string]bool
	served [2]bool // the address was on when last looked at
	seen   map[failover.Explain]int
}

func (t *telling) say(side int, format string, args ...any) {
	if t.mute {
		return
	}
	fmt.Fprintf(&t.out, "%7.3fs %-5s %s\n", t.world.Now.Sub(t.began).Seconds(), Name(side), fmt.Sprintf(format, args...))
}

// see tells an action.
func (t *telling) see(side int, action failover.Action) {
	checkAction(&t.world, side, action)
	switch action := action.(type) {
	case failover.Explain:
		t.seen[action]++
		if action.From == action.To {
			t.say(side, "%s: %s", action.From, action.Reason)
			return
		}
		t.say(side, "%s -> %s: %s", action.From, action.To, action.Reason)
	case failover.Save:
		t.say(side, "save %s", record(action.Record))
	case failover.Sync:
		t.say(side, "%s", map[bool]string{false: "data sync", true: "final data sync"}[action.Final])
	case failover.AskCommit:
		t.say(side, "ask for %s", action.Next)
	case failover.AnswerHold:
		t.say(side, "answer the hold: %s", action.Refusal)
	case failover.AnswerCommit:
		t.say(side, "answer the commit: %s", action.Refusal)
	case failover.AnswerRelease:
		t.say(side, "answer the release: %s", action.Refusal)
	case failover.SetAside:
		t.say(side, "set aside what was written in %s", action.Epoch)
	case failover.Finish:
		t.say(side, "command ends: %s", action.Refusal)
	case failover.SetServices:
		t.say(side, "%s", map[pair.Duty]string{pair.Rest: "stop services", pair.Lead: "start services", pair.Follow: "services follow"}[action.Duty])
	default:
		if word := wordFor(action); word != "" {
			t.say(side, "%s", word)
		}
	}
}

// wordFor names an action that has nothing more to tell; "" for those that
// nobody sees.
func wordFor(action failover.Action) string {
	switch action.(type) {
	case failover.OpenData:
		return "open data"
	case failover.Claim:
		return "claim the shared IP"
	case failover.CloseTraffic:
		return "close the traffic of the shared IP"
	case failover.Release:
		return "release the shared IP"
	case failover.Announce:
		return "announce the shared IP"
	case failover.ForwardRequests:
		return "pass held requests on"
	case failover.AskRelease:
		return "ask to release the shared IP"
	case failover.TurnAway:
		return "answer held requests: try again"
	case failover.HoldRequests:
		return "hold requests"
	case failover.ServeRequests:
		return "serve requests"
	case failover.AskHold:
		return "ask to hold requests"
	case failover.EndHold:
		return "end the hold"
	case failover.OfferHandover:
		return "offer a handover"
	case failover.Depart:
		return "ends"
	}
	return ""
}

// record renders what of a record tells something.
func record(r pair.Record) string {
	words := []string{r.Role.String(), r.Epoch.String()}
	for _, mark := range []struct {
		word string
		set  bool
	}{
		{"granted", r.Granted},
		{"diverged " + r.Diverged.String(), !r.Diverged.IsZero()},
		{"conflict " + r.Conflict.String(), !r.Conflict.IsZero()},
		{"taken", r.Taken},
		{"maintenance", r.Maintenance},
		{"paused", r.Damped},
		{"rival", r.Rival},
		{"sick", r.Sick},
	} {
		if mark.set {
			words = append(words, mark.word)
		}
	}
	return strings.Join(words, ", ")
}

// tellChanges tells what has changed without an action: conditions, and the kernel's doing.
func (t *telling) tellChanges() {
	for side := range t.world.Sides {
		s := &t.world.Sides[side]
		if t.served[side] && s.Address == 0 && s.State.Held && s.State.Door != failover.Shut {
			t.say(side, "the kernel drops the shared IP")
		}
		if t.served[side] && s.Address == 0 && !s.Up {
			t.say(side, "the shared IP is off")
		}
		t.served[side] = s.Address != 0
		if s.alive() {
			t.lookAtConditions(side)
		} else if !s.Up {
			t.raised[side] = nil
		}
	}
	if t.world.Bug != "" {
		fmt.Fprintf(&t.out, "BUG: %s\n", t.world.Bug)
		t.world.Bug = ""
	}
}

func (t *telling) lookAtConditions(side int) {
	s := &t.world.Sides[side]
	now := map[string]bool{}
	for _, c := range s.Config.Conditions(s.State) {
		now[c.ID] = true
		if !t.raised[side][c.ID] {
			t.say(side, "+ %s", c.ID)
		}
	}
	for _, id := range sorted(t.raised[side]) {
		if !now[id] {
			t.say(side, "- %s", id)
		}
	}
	t.raised[side] = now
}

// run lets time pass, and tells.
func (t *telling) run(span time.Duration) {
	for end := t.world.Now.Add(span); ; {
		more := t.world.Advance(end, t.see)
		t.tellChanges()
		if !more {
			return
		}
	}
}

// config makes a configuration from words such as timeout=200ms.
func (t *telling) config(words []string) (failover.Config, error) {
	c := Default()
	for _, word := range words {
		if err := set(&c, word); err != nil {
			return c, err
		}
	}
	if t.change != nil {
		c = t.change(c)
	}
	return c, nil
}
