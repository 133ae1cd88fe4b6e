package peer

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"baton/internal/pair"
)

// previousHello is how the previous version writes what an appliance says that protects nothing.
func previousHello(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/previous/hello.json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(text)
}

func TestTheHelloOfThePreviousVersionSaysWhatItProtects(t *testing.T) {
	var previous Hello
	if err := json.Unmarshal(previousHello(t), &previous); err != nil || previous.Name != "beta" || previous.Role != pair.Standalone || !previous.HoldsData {
		t.Fatalf("read as %+v, %v", previous, err)
	}
	if !previous.ProtectsNothing() {
		t.Errorf("it protects something: %q", previous.Data)
	}
	for _, data := range []string{"", "1 piece of protected data, epoch 3@fedcba98", "10 pieces of protected data, epoch 3@fedcba98"} {
		if previous.Data = data; previous.ProtectsNothing() {
			t.Errorf("it protects nothing: %q", data)
		}
	}
}

// What this version says more is a field more; the sentence stays for the previous one.
func TestThePreviousVersionReadsOurHello(t *testing.T) {
	var hello Hello
	if err := json.Unmarshal(previousHello(t), &hello); err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(hello); err != nil || !bytes.Equal(text, previousHello(t)) {
		t.Errorf("written as %s, %v", text, err)
	}
	hello.Pieces = new(int)
	text, err := json.Marshal(hello)
	if err != nil || !bytes.Equal(bytes.Replace(text, []byte(`,"pieces":0`), nil, 1), previousHello(t)) {
		t.Errorf("written as %s, %v", text, err)
	}
}

// A sentence decides nothing once there is a number.
func TestTheNumberOfPiecesDecides(t *testing.T) {
	for pieces, nothing := range map[int]bool{0: true, 1: false} {
		hello := Hello{Data: "0 pieces of protected data", Pieces: &pieces}
		if pieces == 0 {
			hello.Data = "No piece of protected data"
		}
		if hello.ProtectsNothing() != nothing {
			t.Errorf("%d pieces: %t", pieces, !nothing)
		}
	}
}
