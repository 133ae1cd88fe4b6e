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
	s.Peer.Hold = pair.Hold{Awaits: 77, Within: 3 * time.Second}
	if text := c.SwitchProgress(s); text != "Requests wait, for 3s at most." {
		t.Errorf("it says %q", text)
	}
}
