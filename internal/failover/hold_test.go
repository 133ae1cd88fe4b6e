package failover

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// A primary that says it needs a thousand hours is waited for as long as a switch may take.
func TestWhatAPrimaryTellsIsBounded(t *testing.T) {
	c, s := readyBackup()
	s.Phase, s.Confirmed = pair.Handover, at(s.Now)
	s.Switch = Switch{Step: AskingHold, Final: true, Began: s.Now}
	view := s.Peer
	for _, within := range []time.Duration{1000 * time.Hour, -1000 * time.Hour} {
		view.Hold = pair.Hold{Awaits: pair.AwaitsServices, Within: within}
		told, _ := c.Next(s, s.Now, PollAnswered{Heard{View: view, Confirmed: at(s.Now)}})
		if most := s.Now.Add(handoverLimit + late + c.Timeout); told.Switch.Step != NoSwitch && told.Switch.Until.At > most {
			t.Errorf("told %s, it waits until %s from now", within, told.Switch.Until.At.Sub(s.Now))
		}
	}
}

// What a later version may wait for is not known here, and is waited for all the same.
func TestAnUnknownWaitHasASentence(t *testing.T) {
	c, s := readyBackup()
	s.Phase, s.Switch = pair.Handover, Switch{Step: AskingHold, Told: at(s.Now)}
	for within, want := range map[time.Duration]string{
		3 * time.Second:        "Requests wait, for 3s at most.",
		400 * time.Millisecond: "Requests wait, for 1s at most.",
		0:                      "Requests wait, and the time for it is over.",
	} {
		s.Peer.Hold = pair.Hold{Awaits: 77, Within: within}
		if text := c.SwitchProgress(s); text != want {
			t.Errorf("it says %q", text)
		}
	}
}
