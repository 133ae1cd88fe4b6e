package peer

import (
	"errors"
	"testing"

	"baton/internal/pair"
)

func TestLookTellsWhatPairingWouldReplaceAndChangesNothing(t *testing.T) {
	for name, row := range map[string]struct {
		prepare func(beta *appliance)
		replace bool
	}{
		"new":     {func(*appliance) {}, false},
		"data":    {func(b *appliance) { b.hello.HoldsData = true }, true},
		"primary": {func(b *appliance) { b.hello.Role = pair.Primary }, true},
	} {
		t.Run(name, func(t *testing.T) {
			alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
			row.prepare(beta)
			found, err := alpha.Pairing.Inspect(t.Context(), beta.address, PairRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if found.Hello.Name != "beta" || found.NeedReplace != row.replace || found.Reverse != alpha.address {
				t.Errorf("found %+v", found)
			}
			for _, a := range []*appliance{alpha, beta} {
				if _, paired := a.Paired(); paired || len(a.roles) > 0 || len(a.kinds()) > 0 {
					t.Errorf("%s changed: %v, %v", a.hello.Name, a.roles, a.kinds())
				}
			}
		})
	}
}

func TestLookIsRefusedAsPairingWouldBe(t *testing.T) {
	for name, row := range map[string]struct {
		prepare func(alpha, beta *appliance)
		request PairRequest
		want    error
	}{
		"no key here":           {func(a, _ *appliance) { a.wipeKey() }, PairRequest{}, ErrNoKey},
		"no key there":          {func(_, b *appliance) { b.wipeKey() }, PairRequest{}, ErrNoKey},
		"reverse details wrong": {func(_, _ *appliance) {}, PairRequest{Reverse: "127.0.0.1:1"}, ErrReverse},
	} {
		t.Run(name, func(t *testing.T) {
			alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
			row.prepare(alpha, beta)
			if _, err := alpha.Pairing.Inspect(t.Context(), beta.address, row.request); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
	alpha, beta := pairOf(t)
	gamma := newAppliance(t, "gamma", rightKey)
	if _, err := gamma.Pairing.Inspect(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrAlreadyPaired) {
		t.Errorf("at one that is paired: %v", err)
	}
	if found, err := alpha.Pairing.Inspect(t.Context(), beta.address, PairRequest{}); err != nil || found.NeedReplace {
		t.Errorf("at one's own backup: %+v, %v", found, err)
	}
}

func TestLookWithAWrongKeyCountsAsAnAttempt(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", otherKey)
	if _, err := alpha.Pairing.Inspect(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrKeyMismatch) {
		t.Fatalf("got %v", err)
	}
	if spent := alpha.vault.read().Unconfirmed; spent != 1 {
		t.Errorf("%d attempts are counted", spent)
	}
}
