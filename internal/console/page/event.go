package page

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// Event is an event of the history as people read it.
type Event struct {
	Time  time.Time
	At    string // the time in the site's zone
	Who   string // name of the appliance
	Tone  string // good, info, warning, critical or plain
	Move  string // from which role and state to which, if one changed
	Head  string // what happened, in a sentence or two
	Facts []Fact // what the appliance observed, when, and what it decided
	Cause string // what a library said of a failure, shown under Details
}

// Fact is one line of an explanation.
type Fact struct{ Label, Text string }

// NewestFirst explains events that come oldest first.
func (v *Visit) NewestFirst(events []pair.Event) []Event {
	explained := make([]Event, len(events))
	for i, event := range events {
		explained[len(events)-1-i] = v.Explain(event)
	}
	return explained
}

// Explain explains an event.
func (v *Visit) Explain(event pair.Event) Event {
	e := Event{Time: event.Time, At: Clock(v.Zone, event.Time), Who: v.Status.NameOf(event.Appliance), Tone: toneOf(event), Head: Sentence(event.Text), Cause: event.Detail[pair.DetailCause]}
	if event.Detail["to"] == "" {
		return e
	}
	e.Move = PlaceText(event.Detail["from"]) + " → " + PlaceText(event.Detail["to"])
	e.Head = strings.TrimSpace(headline(e.Who, event) + " " + event.Detail["reason"])
	e.Facts = factsOf(event, v.Zone)
	return e
}

// headline says what a change of role comes to; nothing for a change of state.
func headline(who string, event pair.Event) string {
	to, _, _ := strings.Cut(event.Detail["to"], " ")
	switch event.Kind {
	case pair.KindTakeover:
		return who + " took over."
	case pair.KindHandover:
		return who + " became " + to + "."
	case pair.KindSteppedDown:
		return who + " stepped down."
	case pair.KindObserved:
		return who + " observed only."
	}
	return ""
}

// PlaceText renders a role and phase, as "backup suspect", for a person.
func PlaceText(place string) string {
	role, phase, ok := strings.Cut(place, " ")
	if !ok || phase == pair.Steady.String() {
		return role
	}
	return role + ", " + phase
}

func toneOf(event pair.Event) string {
	switch event.Kind {
	case pair.KindTakeover, pair.KindSteppedDown, pair.KindSyncFailed, pair.KindPairingFailed, pair.KindObserved, pair.KindDiverged, pair.KindServiceFailed, pair.KindServiceRestarted:
		return "warning"
	case pair.KindHandover, pair.KindPaired, pair.KindSyncDone, pair.KindConditionCleared:
		return "good"
	case pair.KindConditionRaised:
		return cmp.Or(event.Detail["severity"], "plain")
	}
	return "plain"
}

// factsOf says why an appliance changed its role or state.
func factsOf(event pair.Event, zone *time.Location) []Fact {
	detail := event.Detail
	var facts []Fact
	add := func(label, text string) {
		if text != "" {
			facts = append(facts, Fact{label, text})
		}
	}
	add("Peer", heardText(detail, zone))
	add("Own network", sinceText(detail["test_ips_answer_since"], zone, "enough of "+detail["test_ips"]+" test IPs have answered since "))
	add("Shared IP", sinceText(detail["shared_ip_free_since"], zone, "nobody has answered for it since "))
	if timeout, err := time.ParseDuration(detail["timeout"]); err == nil {
		add("Timeout", pair.LastingText(timeout))
	}
	if age, ok := milliseconds(detail["data_age_ms"]); ok {
		add("Data age", pair.LastingText(age)+": what changed in this time is not carried over")
	}
	if down, ok := milliseconds(detail["down_ms"]); ok {
		add("Outage", "nobody served the site for "+pair.LastingText(down))
	}
	if event.Kind != pair.KindRoleChanged {
		add("Decided", "epoch "+detail["epoch"]+", snapshot "+detail["snapshot"])
	}
	return facts
}

func heardText(detail map[string]string, zone *time.Location) string {
	text := sinceText(detail["peer_heard"], zone, "last heard at ")
	if silent, ok := milliseconds(detail["silent_ms"]); ok && text != "" {
		text += ", " + pair.LastingText(silent) + " before"
	}
	if text != "" && detail["poll_failure"] != "" {
		text += "; the newest poll failed: " + detail["poll_failure"]
	}
	return text
}

// sinceText puts a moment of a detail behind words; nothing if there is none.
func sinceText(moment string, zone *time.Location, words string) string {
	at, err := time.Parse(time.RFC3339Nano, moment)
	if err != nil {
		return ""
	}
	return words + at.In(zone).Format("15:04:05.000")
}

func milliseconds(text string) (time.Duration, bool) {
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(ms) * time.Millisecond, err == nil
}
