package notify

import (
	"slices"
	"time"

	"baton/internal/pair"
)

// Situation is what the appliance knows of itself when it sends.
type Situation struct {
	Self    pair.ApplianceID
	Name    string // of the appliance
	Site    string // what the site is called; empty: unnamed
	Role    pair.Role
	PairID  string // empty while standalone
	Led     bool   // a backup whose primary answers: the primary tells what both know
	Zone    *time.Location
	Console string // where the console is, as https://198.51.100.1/login; empty: not told
}

// leads reports whether this appliance speaks for the pair.
func (s Situation) leads() bool { return s.Role != pair.Backup }

// place is where the notice comes from, for people.
func (s Situation) place() string {
	if s.Site == "" {
		return s.Name
	}
	return s.Site + " (" + s.Name + ")"
}

// Kind says what a notice is.
type Kind string

// The kinds of notices.
const (
	KindEvents Kind = "events"
	KindDaily  Kind = "daily"
	KindTest   Kind = "test"
)

// Notice is one message to one channel. Sent again, it has the same id.
type Notice struct {
	ID      string
	Kind    Kind
	Time    time.Time // when it was put together
	From    Situation
	Items   []Item // of KindEvents, oldest first
	Dropped int    // events before them that were not told
	Daily   Daily  // of KindDaily
}

// Item is what is told of one fact: an event, or the newest of several that say
// the same.
type Item struct {
	Event pair.Event `json:"event"`
	Times int        `json:"times"` // how often it happened
	First time.Time  `json:"first"` // when it happened first
}

// Daily is the health of the pair and the history of the last 24 hours.
type Daily struct {
	Status pair.Status
	Since  time.Time
	Counts []Count
	Events []pair.Event // the newest that matter, oldest first
}

// Count is how often something happened.
type Count struct {
	Kind  string `json:"kind"`
	Times int    `json:"times"`
}

// condition returns the id of the condition that an event tells of, or nothing.
func condition(event pair.Event) string {
	if event.Kind != pair.KindConditionRaised && event.Kind != pair.KindConditionCleared {
		return ""
	}
	return event.Detail["condition"]
}

func severity(event pair.Event) pair.Severity { return pair.Severity(event.Detail["severity"]) }

// wants reports whether a channel is told of an event.
func wants(tell pair.Tell, event pair.Event) bool {
	switch event.Kind {
	case pair.KindConditionRaised:
		return tell.Covers(severity(event))
	case pair.KindConditionCleared:
		return tell.Cleared && tell.Covers(severity(event))
	}
	return slices.Contains(tell.Kinds, event.Kind)
}

// fact names what later events of the same fact replace while they wait: a
// condition that comes and goes is told once, with how often. A failed sync is the
// condition sync-failed as well.
func fact(event pair.Event) string {
	switch event.Kind {
	case pair.KindSyncFailed:
		return "condition " + pair.KindSyncFailed
	case pair.KindSyncDone, pair.KindSignInFailed:
		return event.Kind
	}
	if id := condition(event); id != "" {
		return "condition " + id
	}
	return event.ID
}

// twin names what both appliances record of one fact, or nothing.
func twin(event pair.Event) string {
	switch event.Kind {
	case pair.KindConditionRaised, pair.KindConditionCleared:
		return event.Kind + " " + condition(event)
	case pair.KindHandover, pair.KindPaired, pair.KindUnpaired:
		return event.Kind
	}
	return ""
}
