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
	return Poll{Version: Version, Seq: 7, Ack: 6, View: pair.View{
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
	back, err := DecodePoll(data)
	if err != nil || back != poll {
		t.Fatalf("got %+v, %v, want %+v", back, err, poll)
	}
	answer := Answer{Version: Version, Seq: 7, View: poll.View}
	if data, err = json.Marshal(answer); err != nil {
		t.Fatal(err)
	}
	again, err := DecodeAnswer(data)
	if err != nil || again != answer {
		t.Fatalf("got %+v, %v, want %+v", again, err, answer)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	poll, err := DecodePoll([]byte(`{"version":1,"seq":2,"later":{"a":1},"view":{"id":"x","mood":"good"}}`))
	if err != nil || poll.Seq != 2 || poll.View.ID != "x" {
		t.Fatalf("got %+v, %v", poll, err)
	}
}

func TestUnknownVersionIsRefusedNamingBoth(t *testing.T) {
	for _, text := range []string{`{"version":2,"seq":"changed type"}`, `{"seq":1}`, `{"version":-1}`} {
		_, err := DecodePoll([]byte(text))
		if _, ok := errors.AsType[*VersionError](err); !ok {
			t.Errorf("%s: %v, want a version error", text, err)
		}
	}
	_, err := DecodeAnswer([]byte(`{"version":9}`))
	if err == nil || !strings.Contains(err.Error(), "version 9") || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("the sentence does not name both: %v", err)
	}
}

func TestHugeMessageIsRefused(t *testing.T) {
	if _, err := DecodePoll([]byte(`{"version":1,"x":"` + strings.Repeat("a", MaxSize) + `"}`)); err == nil {
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
		if poll, err := DecodePoll(data); err == nil && poll.Version != Version {
			t.Fatalf("accepted version %d", poll.Version)
		}
		if answer, err := DecodeAnswer(data); err == nil && answer.Version != Version {
			t.Fatalf("accepted version %d", answer.Version)
		}
	})
}
