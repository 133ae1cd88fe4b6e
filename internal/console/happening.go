package console

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// happening is an event of the history as people read it.
type happening struct {
	Time  time.Time
	At    string // the time in the site's zone
	Who   string // name of the appliance
	Tone  string // good, info, warning, critical or plain
	Move  string // from which role and state to which, if one changed
	Head  string // what happened, in a sentence or two
	Facts []fact // what was seen, when, and what was decided
	Cause string // what a library said of a failure, for whoever looks closer
}

// fact is one line of an explanation.
type fact struct{ Label, Text string }

// happenings explains events.
func (v *visit) happenings(events []pair.Event) []happening {
	made := make([]happening, len(events))
	for i, event := range events {
		made[i] = v.happening(event)
	}
	return made
}

func (v *visit) happening(event pair.Event) happening {
	made := happening{Time: event.Time, At: clock(v.zone, event.Time), Who: v.status.NameOf(event.Appliance), Tone: toneOf(event), Head: sentence(event.Text), Cause: event.Detail[pair.DetailCause]}
	if event.Detail["to"] == "" {
		return made
	}
	made.Move = placeText(event.Detail["from"]) + " → " + placeText(event.Detail["to"])
	made.Head = strings.TrimSpace(made.headline(event) + " " + event.Detail["reason"])
	made.Facts = v.factsOf(event)
	return made
}

// headline says what a change of role comes to; nothing for a change of state.
func (h happening) headline(event pair.Event) string {
	to, _, _ := strings.Cut(event.Detail["to"], " ")
	switch event.Kind {
	case pair.KindTakeover:
		return h.Who + " took over."
	case pair.KindHandover:
		return h.Who + " became " + to + "."
	case pair.KindSteppedDown:
		return h.Who + " stepped down."
	case pair.KindObserved:
		return h.Who + " observed only."
	}
	return ""
}

// placeText renders a role and phase, as "backup suspect", for a person.
func placeText(place string) string {
	role, phase, found := strings.Cut(place, " ")
	if !found || phase == pair.Steady.String() {
		return role
	}
	return role + ", " + phase
}

func toneOf(event pair.Event) string {
	switch event.Kind {
	case pair.KindTakeover, pair.KindSteppedDown, pair.KindSyncFailed, pair.KindPairingFailed, pair.KindObserved, pair.KindDiverged:
		return "warning"
	case pair.KindHandover, pair.KindPaired, pair.KindSyncDone, pair.KindConditionCleared:
		return "good"
	case pair.KindConditionRaised:
		return cmp.Or(event.Detail["severity"], "plain")
	}
	return "plain"
}

// factsOf tells what a change of role or state was decided on.
func (v *visit) factsOf(event pair.Event) []fact {
	detail := event.Detail
	var facts []fact
	add := func(label, text string) {
		if text != "" {
			facts = append(facts, fact{label, text})
		}
	}
	add("Peer", v.heardText(detail))
	add("Own network", v.sinceText(detail["test_ips_answer_since"], "enough of "+detail["test_ips"]+" test IPs have answered since "))
	add("Shared IP", v.sinceText(detail["shared_ip_free_since"], "nobody has answered for it since "))
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

func (v *visit) heardText(detail map[string]string) string {
	text := v.sinceText(detail["peer_heard"], "last heard at ")
	if silent, ok := milliseconds(detail["silent_ms"]); ok && text != "" {
		text += ", " + pair.LastingText(silent) + " before"
	}
	if text != "" && detail["poll_failure"] != "" {
		text += "; the newest poll failed: " + detail["poll_failure"]
	}
	return text
}

// sinceText puts a moment of a detail behind words; nothing if there is none.
func (v *visit) sinceText(moment, words string) string {
	at, err := time.Parse(time.RFC3339Nano, moment)
	if err != nil {
		return ""
	}
	return words + at.In(v.zone).Format("15:04:05.000")
}

func milliseconds(text string) (time.Duration, bool) {
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(ms) * time.Millisecond, err == nil
}
