package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"baton/internal/pair"
)

// recorded are the messages of a switch as the previous version writes them, which
// testdata/previous holds, as this version has them.
func recorded() map[string]any {
	alpha, beta := pair.ApplianceID("0123456789abcdef0123456789abcdef"), pair.ApplianceID("fedcba9876543210fedcba9876543210")
	epoch := pair.Epoch{Counter: 3, Holder: alpha}
	view := pair.View{
		ID: alpha, PairID: "p", Role: pair.Primary, Phase: pair.Handover, Epoch: epoch, Granted: true,
		Lineage:  pair.Lineage{}.Begin(pair.Epoch{Counter: 2, Holder: beta}, 7).Begin(epoch, 12),
		Snapshot: pair.Snapshot{Number: 12, Epoch: epoch, TakenAt: 1764417000000},
		Serving:  true, Eligible: true, Sick: true, Plugged: true, Stopping: true, SetBack: true, SharedIP: true, Traffic: true,
		Maintenance: true, Armed: true, Settings: 77, Run: 78, Timeout: 5 * time.Second, Version: "0.8.0",
	}
	return map[string]any{
		"poll":   &Poll{Seq: 7, Ack: 6, View: view},
		"answer": &Answer{Seq: 7, View: view},
		"hold":   &Hold{Epoch: epoch},
		"commit": &Commit{Next: epoch.Next(beta), Snapshot: view.Snapshot, Final: true},
		"take":   &Take{Final: true, Automatic: true},
		"plain":  &Plain{},
	}
}

func previousBytes(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "previous", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

// What the previous version writes is read as it was meant, and says of a hold that
// nothing is told.
func TestMessagesOfThePreviousVersionAreRead(t *testing.T) {
	for name, want := range recorded() {
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := Decode(previousBytes(t, name), got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v (%v), want %+v", name, got, err, want)
		}
	}
}

// The previous version reads what this one writes: while no requests are held, byte for
// byte what it writes itself. What it does not know is a field more, only where it has
// something to tell.
func TestThePreviousVersionReadsOurMessages(t *testing.T) {
	for name, message := range recorded() {
		if got, err := json.Marshal(message); err != nil || !bytes.Equal(got, previousBytes(t, name)) {
			t.Errorf("%s is written as %s (%v), and the previous version writes %s", name, got, err, previousBytes(t, name))
		}
	}
	for field, set := range map[string]func(*pair.View){
		"hold":         func(v *pair.View) { v.Hold = pair.Hold{Awaits: pair.AwaitsServices, Within: 20 * time.Second} },
		"ticked":       func(v *pair.View) { v.Ticked = 79 },
		"unwritable":   func(v *pair.View) { v.Unwritable = true },
		"unfit":        func(v *pair.View) { v.Unfit = true },
		"front":        func(v *pair.View) { v.Front = true },
		"lets_forward": func(v *pair.View) { v.LetsForward = true },
	} {
		poll := recorded()["poll"].(*Poll)
		set(&poll.View)
		ours, previous := viewOf(t, poll), viewOf(t, recorded()["poll"])
		if _, told := ours[field]; !told {
			t.Errorf("%s is not told", field)
		}
		delete(ours, field)
		if !maps.EqualFunc(ours, previous, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s changes other fields: %s, without it %s", field, ours, previous)
		}
		var back Poll
		if data, err := json.Marshal(poll); err != nil || Decode(data, &back) != nil || back != *poll {
			t.Errorf("%s does not survive the wire: %+v", field, back.View)
		}
	}
}

// viewOf returns the fields of the view in a poll.
func viewOf(t *testing.T, poll any) map[string]json.RawMessage {
	t.Helper()
	data, err := json.Marshal(poll)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct{ View map[string]json.RawMessage }
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	return fields.View
}
