package durable

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestABitThatFlipsInAFileIsNoticed flips each bit of a file in turn: it is damaged, or says what it said.
func TestABitThatFlipsInAFileIsNoticed(t *testing.T) {
	type state struct {
		Snapshot struct {
			Number uint64 `json:"number"`
			Holder string `json:"holder"`
		} `json:"snapshot"`
		Keep bool `json:"keep"`
	}
	path := filepath.Join(t.TempDir(), "state.json")
	var written state
	written.Snapshot.Number, written.Snapshot.Holder = 42, "a"
	if err := WriteJSON(path, written); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for bit := range 8 * len(b) {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		var read state
		found, err := ReadJSON(path, "snapshot", &read)
		switch {
		case err != nil:
			damaged++
		case !found || !reflect.DeepEqual(read, written):
			t.Errorf("bit %d of byte %d: read %+v from\n%s", bit%8, bit/8, read, flipped)
		}
	}
	if damaged < 4*len(b) {
		t.Errorf("only %d of %d bits are noticed", damaged, 8*len(b))
	}
}

// TestWhatIsReadIsWhatWasWritten has files of former versions, of those in which there is no place for a sum, and one whose keys are names.
func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	var read map[string]int
	if err := os.WriteFile(path, []byte("{\n  \"number\": 42\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := ReadJSON(path, "number", &read); err != nil || !found || read["number"] != 42 {
		t.Errorf("read %v, %v", read, err)
	}
	type tally struct{ Starts int }
	written := map[string]tally{"web": {Starts: 2}}
	if err := WriteJSON(path, written); err != nil {
		t.Fatal(err)
	}
	var tallies map[string]tally
	if found, err := ReadJSON(path, "web", &tallies); err != nil || !found || !reflect.DeepEqual(tallies, written) {
		t.Errorf("read %v, %v", tallies, err)
	}
	for _, v := range []any{map[string]int{}, []int{1, 2}, nil} {
		if err := WriteJSON(path, v); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err == nil {
			var back any
			err = UnmarshalJSON(b, &back)
		}
		if err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
}
