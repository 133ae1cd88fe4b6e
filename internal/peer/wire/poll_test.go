package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

func somePoll() Poll {
	id := pair.ApplianceID("0123456789abcdef0123456789abcdef")
	epoch := pair.Epoch{Counter: 3, Holder: id}
	return Poll{Seq: 7, Ack: 6, View: pair.View{
		ID: id, PairID: "p", Role: pair.Backup, Phase: pair.Suspect, Epoch: epoch,
		Lineage: pair.Lineage{}.Begin(epoch, 12), Eligible: true, Timeout: 5 * time.Second, Version: "1.0.0",
	}}
}

func TestPollAndAnswerSurviveTheWire(t *testing.T) {
	poll := somePoll()
	data, err := json.Marshal(poll)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"version":1,"seq":7,"ack":6,"view":{`; !strings.HasPrefix(string(data), want) {
		t.Errorf("a poll is written %s, want %s", data, want)
	}
	var back Poll
	if err = Decode(data, &back); err != nil || back != poll {
		t.Fatalf("got %+v, %v, want %+v", back, err, poll)
	}
	answer := Answer{Seq: 7, View: poll.View}
	if data, err = json.Marshal(answer); err != nil {
		t.Fatal(err)
	}
	var again Answer
	if err = Decode(data, &again); err != nil || again != answer {
		t.Fatalf("got %+v, %v, want %+v", again, err, answer)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	var poll Poll
	err := Decode([]byte(`{"version":1,"seq":2,"later":{"a":1},"view":{"id":"x","mood":"good"}}`), &poll)
	if err != nil || poll.Seq != 2 || poll.View.ID != "x" {
		t.Fatalf("got %+v, %v", poll, err)
	}
}

func TestUnknownVersionIsRefusedNamingBoth(t *testing.T) {
	for _, text := range []string{`{"version":2,"seq":"changed type"}`, `{"seq":1}`, `{"version":-1}`} {
		err := Decode([]byte(text), new(Poll))
		if _, ok := errors.AsType[*VersionError](err); !ok {
			t.Errorf("%s: %v, want a version error", text, err)
		}
	}
	err := Decode([]byte(`{"version":9}`), new(Answer))
	if err == nil || !strings.Contains(err.Error(), "version 9") || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("the sentence does not name both: %v", err)
	}
}

func TestHugeMessageIsRefused(t *testing.T) {
	if err := Decode([]byte(`{"version":1,"x":"`+strings.Repeat("a", MaxSize)+`"}`), new(Poll)); err == nil {
		t.Error("accepted more than MaxSize")
	}
}

func FuzzDecodePoll(f *testing.F) {
	seed, err := json.Marshal(somePoll())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"version":1,"seq":-1}`))
	f.Add([]byte(`{"version":1,"view":{"role":"chief"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, message := range []any{new(Poll), new(Answer)} {
			var head struct{ Version int }
			if Decode(data, message) == nil && (json.Unmarshal(data, &head) != nil || head.Version != Version) {
				t.Fatalf("accepted %q as a message of version %d", data, Version)
			}
		}
	})
}
