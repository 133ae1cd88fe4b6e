package peer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"baton/internal/pair"
)

// keyNumbered returns a key without the cost of stretching.
func keyNumbered(number int) Key {
	return Key{PRS: []byte{byte(number)}, Number: number}
}

func TestKeyChangeIsNoOutage(t *testing.T) {
	alpha, beta := pairOf(t)
	polls := func() {
		t.Helper()
		for _, a := range []*appliance{alpha, beta} {
			if err := a.poll(t, time.Second); err != nil {
				t.Fatalf("%s: %v", a.hello.Name, err)
			}
		}
	}
	polls()
	if _, err := alpha.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	polls()
	if !alpha.KeyState().Pending {
		t.Error("alpha gave up the old key before beta proved the new one")
	}
	alpha.control.Reset() // also a connection made anew finds the way
	beta.control.Reset()
	polls()
	if _, err := beta.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both proved the new key", func() bool {
		polls()
		return !alpha.KeyState().Pending && !beta.KeyState().Pending
	})
	if a, b := alpha.KeyState().Fingerprint, beta.KeyState().Fingerprint; a != b || a == "" {
		t.Errorf("fingerprints %s and %s", a, b)
	}
	for _, a := range []*appliance{alpha, beta} {
		if slices.ContainsFunc(a.kinds(), func(k string) bool { return k == "pairing-failed key-mismatch" }) {
			t.Errorf("%s raised a false alarm: %v", a.hello.Name, a.kinds())
		}
	}
}

func TestNewKeyWithATypingErrorKeepsTheLinkUp(t *testing.T) {
	alpha, beta := pairOf(t)
	if _, err := alpha.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	if _, err := beta.SetKey(t.Context(), otherKey+"x"); err != nil {
		t.Fatal(err)
	}
	alpha.control.Reset()
	if err := alpha.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	if !alpha.KeyState().Pending || !beta.KeyState().Pending {
		t.Error("a key was given up that nobody proved")
	}
	if _, err := beta.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both proved the new key", func() bool { return !alpha.KeyState().Pending && !beta.KeyState().Pending })
}

func TestEndedKeyIsAMismatchUntilThePeerHasTheNewOne(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	if err := alpha.EndPreviousKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	eventually(t, "the mismatch shows", func() bool {
		err = beta.poll(t, time.Second)
		return errors.Is(err, ErrKeyMismatch)
	})
	if Classify(err) != pair.KeyMismatch {
		t.Errorf("classified as %v", Classify(err))
	}
	if _, err := beta.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the link is back", func() bool { return beta.poll(t, time.Second) == nil })
	if beta.KeyState().Pending || alpha.KeyState().Pending {
		t.Error("an old key is still valid")
	}
}

func TestTheSameKeyOnBothMendsAMismatchOfEndedKeys(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.SetKey(t.Context(), otherKey+"x"); err != nil { // typed wrong
		t.Fatal(err)
	}
	if err := alpha.EndPreviousKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mismatch shows", func() bool {
		return errors.Is(beta.poll(t, time.Second), ErrKeyMismatch)
	})
	for _, a := range []*appliance{alpha, beta} { // what the condition asks for
		if _, err := a.SetKey(t.Context(), otherKey); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the link is back, both ways", func() bool {
		return alpha.poll(t, time.Second) == nil && beta.poll(t, time.Second) == nil
	})
	eventually(t, "both proved the new key", func() bool { return !alpha.KeyState().Pending && !beta.KeyState().Pending })
	if _, err := alpha.SetKey(t.Context(), rightKey); err != nil { // a proved key stays valid again
		t.Fatal(err)
	}
	if !alpha.KeyState().Pending {
		t.Error("the proved key is no longer valid as soon as another one is saved")
	}
}

func TestReplaceKey(t *testing.T) {
	one, two, three := keyNumbered(1), keyNumbered(2), keyNumbered(3)
	paired := &Pinned{Pin: "x"}
	for name, row := range map[string]struct {
		before Secrets
		key    Key
		want   Secrets
	}{
		"first":               {Secrets{}, one, Secrets{Key: one}},
		"while not paired":    {Secrets{Key: one}, Key{PRS: two.PRS}, Secrets{Key: Key{PRS: two.PRS, Number: 1}}},
		"the same again":      {Secrets{Key: one, Peer: paired}, one, Secrets{Key: one}},
		"while paired":        {Secrets{Key: one, Peer: paired}, two, Secrets{Key: two, Previous: &one}},
		"corrected, unproved": {Secrets{Key: three, Previous: &one, Peer: paired}, two, Secrets{Key: two, Previous: &one}},
		"after an unproved one": {
			Secrets{Key: Key{PRS: two.PRS, Number: 2, Unproved: true}, Peer: paired},
			three,
			Secrets{Key: Key{PRS: three.PRS, Number: 2}},
		},
		"taken back": {Secrets{Key: two, Previous: &one, Peer: paired}, one, Secrets{Key: one}},
	} {
		s := row.before.clone()
		s.replaceKey(row.key)
		same := slices.Equal(s.Key.PRS, row.want.Key.PRS) && s.Key.Number == row.want.Key.Number &&
			(s.Previous == nil) == (row.want.Previous == nil)
		if !same {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

func TestStretchRule(t *testing.T) {
	for _, weak := range []string{"", "fifteen letters", "  sixteen minus 2   ", "\u00e9\u00e9\u00e9", string(make([]byte, 2000)), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if _, err := Stretch(weak); !errors.Is(err, ErrUnfitKey) {
			t.Errorf("%q: %v", weak, err)
		}
	}
	composed, err := Stretch("  pr\u00e9-shared key of the pair\n")
	if err != nil {
		t.Fatal(err)
	}
	decomposed, err := Stretch("pre\u0301-shared key of the pair")
	if err != nil {
		t.Fatal(err)
	}
	if composed.Fingerprint() != decomposed.Fingerprint() || len(composed.Fingerprint()) != 9 {
		t.Errorf("fingerprints %s and %s", composed.Fingerprint(), decomposed.Fingerprint())
	}
	if stretched()[rightKey].Fingerprint() == composed.Fingerprint() || (Key{}).Fingerprint() != "" {
		t.Error("fingerprints do not tell keys apart")
	}
}

func TestGeneratedKeysObeyTheRule(t *testing.T) {
	one, other := Generate(), Generate()
	if len(one) != 34 || one == other {
		t.Errorf("%s, %s", one, other)
	}
	if _, err := Stretch(one); err != nil {
		t.Error(err)
	}
}
