package signin

import (
	"strings"
	"testing"

	"baton/internal/pair"
)

// TestUserNamesAreTheSameInCapitals: nobody is kept out, or makes a second account,
// by a capital that a telephone wrote or a space that was pasted.
func TestUserNamesAreTheSameInCapitals(t *testing.T) {
	b := withUsers(t)
	ctx := fromLocal(t.Context())
	for _, typed := range []string{"Anna", " ANNA ", "anna\u200b", "\ufeffanna\u00a0"} {
		if err := b.try(stranger(t, "198.51.100.7"), typed, secretWords); err != nil {
			t.Errorf("sign-in as %q: %v", typed, err)
		}
		if err := b.CheckUser(ctx, pair.NewUser{Name: typed, Role: pair.Viewer, Password: secretWords}); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("a second account %q: %v", typed, err)
		}
	}
	if err := b.AddUser(ctx, pair.NewUser{Name: " Otto ", Role: pair.Viewer, Password: secretWords}); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func(string) error{
		"change":    func(n string) error { return b.UpdateUser(ctx, pair.UserChange{Name: n, Role: pair.Operator}) },
		"password":  func(n string) error { return b.SetPassword(ctx, n, "another horse battery") },
		"disable":   func(n string) error { return b.DisableUser(ctx, n) },
		"enable":    func(n string) error { return b.EnableUser(ctx, n) },
		"codes off": func(n string) error { return b.ResetTOTP(ctx, n) },
		"sign out":  func(n string) error { return b.SignOutEverywhere(ctx, n) },
	} {
		if err := act("OTTO "); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range told(t, b, pair.KindSettingChanged, pair.KindSignedIn, pair.KindSignedOut) {
		if strings.Contains(text, "O") || strings.Contains(text, "A") || strings.Contains(text, "  ") {
			t.Errorf("the history names no account: %q", text)
		}
	}
}

// TestGuessesAtOneNameCountHoweverItIsTyped: capitals are no way around the gate.
func TestGuessesAtOneNameCountHoweverItIsTyped(t *testing.T) {
	b := withUsers(t)
	b.people.gate = newGate(stopped())
	for i := range wrongOfAccount {
		name := []string{"anna", "Anna", "ANNA "}[i%3]
		b.people.gate.wrong(pair.UserName(name), source(stranger(t, "203.0.113.1")))
	}
	if err := b.try(stranger(t, "203.0.113.99"), "aNNa", secretWords); pair.CodeOf(err) != pair.TooMany {
		t.Errorf("another way to write it: %v", err)
	}
}

// TestAPasswordThatNobodyCanTypeIsRefused: what nobody sees in it came from a file or
// a page, and its owner would never get in.
func TestAPasswordThatNobodyCanTypeIsRefused(t *testing.T) {
	b := withUsers(t)
	for _, typed := range []string{"\ufeffcorrect horse battery", "correct\u00a0horse battery", "correct\x00horse battery", "correct h\xf6rse battery"} {
		err := b.SetPassword(fromLocal(t.Context()), "anna", typed)
		if pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "character") {
			t.Errorf("%q: %v", typed, err)
		}
	}
	if err := b.SetPassword(fromLocal(t.Context()), "anna", " a pässwörd with spaces 🐎 "); err != nil {
		t.Error(err)
	}
}
