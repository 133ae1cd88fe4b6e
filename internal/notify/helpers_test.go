package notify

import (
	"log/slog"
	"strconv"
	"time"

	"baton/internal/pair"
	gone "baton/internal/pair/cleared"
)

const (
	self = pair.ApplianceID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	peer = pair.ApplianceID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func eventID(appliance pair.ApplianceID, seq int) string {
	return string(appliance) + "-" + strconv.Itoa(seq)
}

func berlin() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}

func raised(seq int, id string, severity pair.Severity, at time.Time) pair.Event {
	return pair.Event{
		ID: eventID(self, seq), Time: at, Appliance: self, Kind: pair.KindConditionRaised, Text: "The " + id + " is there.",
		Detail: map[string]string{"condition": id, "severity": string(severity), "next_step": "Look at " + id + "."},
	}
}

func cleared(seq int, id string, severity pair.Severity, at time.Time) pair.Event {
	event := raised(seq, id, severity, at)
	event.Kind, event.Text = pair.KindConditionCleared, gone.Text(event.Detail["condition"])
	delete(event.Detail, "next_step")
	return event
}

// of makes an event the appliance's.
func of(appliance pair.ApplianceID, seq int, event pair.Event) pair.Event {
	event.Appliance, event.ID = appliance, eventID(appliance, seq)
	return event
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
