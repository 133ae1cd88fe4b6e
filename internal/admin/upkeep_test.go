package admin

import (
	"context"
	"strings"
	"testing"

	"baton/internal/act"
	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/status"
)

// What was turned on at the peer a moment ago is not heard here yet, so silence is
// no proof.
func TestMaintenanceIsNotSaidToEndWhereThePeerCannotBeAsked(t *testing.T) {
	u := &Upkeep{Agent: acttest.NewAgent(), Link: &acttest.Link{Peer: &peer.Pinned{ID: "beta"}}}
	nobody, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		known pair.MaintenanceStatus
		want  string
	}{
		{pair.MaintenanceStatus{}, "was not on here"},
		{pair.MaintenanceStatus{Peer: true}, "was turned on at the peer"},
		{pair.MaintenanceStatus{Here: true, Peer: true}, "was turned on at the peer"},
	} {
		if err := u.endAtPeer(nobody, c.known); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.known, err)
		}
	}
	if err := u.endAtPeer(nobody, pair.MaintenanceStatus{Here: true}); err != nil {
		t.Errorf("what was on here alone has ended: %v", err)
	}
}

// What ends a maintenance stands in the history ahead of the takeover that it lets happen.
func TestTheEndOfAMaintenanceIsNotedBeforeThePeerIsAsked(t *testing.T) {
	var notes []string
	asks, cancel := context.WithCancel(t.Context())
	cancel() // the peer does not answer
	loop := acttest.NewAgent()
	loop.Show(func(d *agent.Decision) { d.State.Record.Role, d.State.Record.Maintenance = pair.Primary, true })
	link := &acttest.Link{Peer: &peer.Pinned{ID: "beta"}}
	u := &Upkeep{
		Checks: &status.Checks{Overview: &status.Overview{Agent: loop}}, Agent: loop, Link: link,
		Audit: act.Audit{Record: func(event pair.Event) { notes = append(notes, event.Text) }},
	}
	err := u.EndMaintenance(asks)
	if len(notes) != 1 || !strings.Contains(notes[0], "ended maintenance") || err == nil || !strings.Contains(err.Error(), "this appliance is the primary now") {
		t.Errorf("%q, %v", notes, err)
	}
}

func TestANoteIsOneLineOfTheHistory(t *testing.T) {
	var told []pair.Event
	u := &Upkeep{Audit: act.Audit{Record: func(event pair.Event) { told = append(told, event) }}}
	ann := api.WithCaller(t.Context(), api.Caller{Name: "ann", From: "198.51.100.7"})
	if err := u.AddNote(ann, api.NewNote{Text: " replaced the\n switch. "}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", " \n ", "a hidden \u200b character"} {
		if err := u.AddNote(ann, api.NewNote{Text: text}); pair.CodeOf(err) != pair.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
	if len(told) != 1 || told[0].Text != "ann from 198.51.100.7 noted: replaced the switch." || told[0].Detail["by"] != "ann" {
		t.Errorf("the history says %+v", told)
	}
}
