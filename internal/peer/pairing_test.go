package peer

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"baton/internal/pair"
	"baton/internal/peer/channel"
)

func TestPairingIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		prepare func(alpha, beta *appliance)
		request PairRequest
		want    error
	}{
		"no key here":              {func(a, _ *appliance) { a.wipeKey() }, PairRequest{}, ErrNoKey},
		"no key there":             {func(_, b *appliance) { b.wipeKey() }, PairRequest{}, ErrNoKey},
		"the other holds data":     {func(_, b *appliance) { b.hello.HoldsData = true }, PairRequest{}, ErrHoldsData},
		"the other is a primary":   {func(_, b *appliance) { b.hello.Role = pair.Primary }, PairRequest{}, ErrHoldsData},
		"reverse details wrong":    {func(_, _ *appliance) {}, PairRequest{Reverse: "127.0.0.1:1"}, ErrReverse},
		"the other's disk is full": {func(_, b *appliance) { b.keeper.err = errors.New("no space") }, PairRequest{}, ErrRefused},
		"role not to be had there": {func(_, b *appliance) { b.refuse = errors.New("no") }, PairRequest{}, ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
			row.prepare(alpha, beta)
			_, err := alpha.Pairing.Pair(t.Context(), beta.address, row.request)
			if !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			for _, a := range []*appliance{alpha, beta} {
				if _, ok := a.Paired(); ok {
					t.Errorf("%s is paired", a.hello.Name)
				}
			}
		})
	}
}

// A name is shown in pages, mails and terminals: it is one that an appliance can have.
func TestAnApplianceWithAnImpossibleNameIsNotPaired(t *testing.T) {
	for _, name := range []string{"", "<b>", "a\r\nBcc: x", "\u202ebeta", "be ta", strings.Repeat("x", 65)} {
		for _, asked := range []bool{true, false} {
			alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
			if asked {
				beta.hello.Name = name
			} else {
				alpha.hello.Name = name
			}
			_, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
			if told, ok := errors.AsType[*RemoteError](err); !ok || told.Code != "malformed" {
				t.Errorf("%q, asked %t: %v", name, asked, err)
			}
		}
	}
}

func TestAddressesOfAPeerArePlain(t *testing.T) {
	got := addresses("198.51.100.2:443", []string{"evil\r\nexample:443", "be ta:443", "\u202ea:443", "[2001:db8::2]:443", "beta.example.org:443", "none"})
	if want := []string{"198.51.100.2:443", "[2001:db8::2]:443", "beta.example.org:443"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFullDiskHereIsNotCalledAnUnreachablePeer(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	alpha.keeper.err = syscall.ENOSPC
	_, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func (a *appliance) wipeKey() {
	a.vault.mu.Lock() // the link looks up names meanwhile
	defer a.vault.mu.Unlock()
	a.vault.secrets.Key = Key{}
}

func TestConfirmedReplacementIsAccepted(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	beta.hello.HoldsData, beta.hello.Role = true, pair.Primary
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{Replace: true}); err != nil {
		t.Fatal(err)
	}
}

func TestPairingWithOneselfIsRefused(t *testing.T) {
	alpha := newAppliance(t, "alpha", rightKey)
	_, err := alpha.Pairing.Pair(t.Context(), alpha.address, PairRequest{})
	if err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("got %v", err)
	}
}

func TestThirdApplianceIsRefusedByBothOfAPair(t *testing.T) {
	alpha, beta := pairOf(t)
	gamma := newAppliance(t, "gamma", rightKey)
	if _, err := gamma.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrAlreadyPaired) {
		t.Errorf("gamma with beta: %v", err)
	}
	if _, err := alpha.Pairing.Pair(t.Context(), gamma.address, PairRequest{}); !errors.Is(err, ErrAlreadyPaired) {
		t.Errorf("alpha with gamma: %v", err)
	}
	if !slices.Contains(beta.kinds(), "pairing-failed already-paired") {
		t.Errorf("beta's events: %v", beta.kinds())
	}
}

func TestPairingCutInTheMiddleIsCompletedByARetry(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	alpha.refuse = errors.New("power cut") // beta has pinned alpha by then
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); err == nil {
		t.Fatal("pairing succeeded")
	}
	if _, ok := alpha.Paired(); ok {
		t.Fatal("alpha kept the pin although it has no role")
	}
	half, ok := beta.Paired()
	if !ok {
		t.Fatal("beta is not paired")
	}
	alpha.refuse = nil
	beta.hello.HoldsData = true // a copy of alpha's by now: no reason to ask
	whole, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if whole.PairID != half.PairID {
		t.Errorf("the retry made another pair: %q, %q", whole.PairID, half.PairID)
	}
	if err := alpha.poll(t, time.Second); err != nil {
		t.Error(err)
	}
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); err != nil {
		t.Errorf("repeating a finished pairing: %v", err)
	}
}

func TestUnpairTellsThePeer(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := alpha.Pairing.Unpair(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*appliance{alpha, beta} {
		if _, ok := a.Paired(); ok {
			t.Errorf("%s is still paired", a.hello.Name)
		}
	}
	if got := beta.roles[len(beta.roles)-1]; got != "left alpha" {
		t.Errorf("beta was not told: %s", got)
	}
	if err := alpha.Pairing.Unpair(t.Context()); !errors.Is(err, ErrNotPaired) {
		t.Errorf("second time: %v", err)
	}
	if err := beta.poll(t, time.Second); !errors.Is(err, ErrNotPaired) {
		t.Errorf("poll afterwards: %v", err)
	}
	if _, err := beta.Pairing.Pair(t.Context(), alpha.address, PairRequest{}); err != nil {
		t.Errorf("pairing again, the other way round: %v", err)
	}
}

// A peer that cannot be told would never learn of it: that needs force.
func TestUnpairWithoutThePeerNeedsForce(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	beta.stop() // just now: alpha still takes it for one that answers
	err := alpha.Pairing.Unpair(t.Context())
	if _, paired := alpha.Paired(); !errors.Is(err, ErrNotTold) || !errors.Is(err, ErrUnreachable) || !paired {
		t.Errorf("%v, still paired: %t", err, paired)
	}
	if err := alpha.Pairing.UnpairForced(t.Context()); err != nil {
		t.Error(err)
	}
	if _, paired := alpha.Paired(); paired {
		t.Error("still paired")
	}
	beta.start(t, beta.address)
	if err := beta.Pairing.Unpair(t.Context()); err != nil {
		t.Errorf("the peer has forgotten this appliance, and need not be told: %v", err)
	}
}

func TestPeerThatForgotUsIsNotTakenForDead(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := alpha.Pairing.forget("by a test", nil); err != nil {
		t.Fatal(err)
	}
	err := beta.poll(t, time.Second)
	if !errors.Is(err, ErrNotPaired) || Classify(err) != pair.IdentityChanged {
		t.Errorf("got %v, classified %v", err, Classify(err))
	}
}

func TestChangedIdentityIsAStateOfItsOwn(t *testing.T) {
	alpha, beta := pairOf(t)
	alpha.stop()
	was := alpha.options.Identity.Pin()
	alpha.dir = t.TempDir() // reinstalled: same key and address, another certificate
	alpha.start(t, alpha.address)
	var err error
	eventually(t, "identity changed", func() bool {
		err = beta.poll(t, 500*time.Millisecond)
		return errors.Is(err, ErrIdentityChanged)
	})
	if Classify(err) != pair.IdentityChanged {
		t.Errorf("classified as %v", Classify(err))
	}
	for _, pin := range []string{was, alpha.options.Identity.Pin()} {
		if !strings.Contains(err.Error(), shortPin(pin)) {
			t.Errorf("the sentence lacks %s: %v", shortPin(pin), err)
		}
	}
	if !slices.Contains(beta.kinds(), "pairing-failed identity-changed") {
		t.Errorf("events: %v", beta.kinds())
	}
	if err := alpha.poll(t, time.Second); !errors.Is(err, ErrIdentityChanged) {
		t.Errorf("the stranger that believes in the relationship was told %v", err)
	}
}

func TestRestartedPeerIsFoundAgain(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	alpha.stop()
	eventually(t, "no answer", func() bool {
		err := beta.poll(t, 100*time.Millisecond)
		return err != nil && Classify(err) == pair.NoAnswer && errors.Is(err, ErrUnreachable)
	})
	alpha.start(t, alpha.address)
	eventually(t, "an answer", func() bool { return beta.poll(t, 100*time.Millisecond) == nil })
}

func TestClockFarOffIsToldNotRefused(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	beta.clock = 2 * time.Hour
	peer, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if peer.ClockOffset.Round(time.Minute) != 2*time.Hour {
		t.Errorf("offset %v", peer.ClockOffset)
	}
	if back, _ := beta.Paired(); back.ClockOffset.Round(time.Minute) != -2*time.Hour {
		t.Errorf("offset the other way %v", back.ClockOffset)
	}
}

func TestUnpairedApplianceReachesNoRoutes(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	if _, err := alpha.dial(t.Context(), beta.address, "", purposeLink); !errors.Is(err, ErrNotPaired) {
		t.Errorf("for the link: %v", err)
	}
	conn, err := alpha.dial(t.Context(), beta.address, "", purposePair)
	if err != nil {
		t.Fatal(err)
	}
	client, err := channel.OverHTTP2(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for _, path := range []string{"/peer/v1/poll", "/peer/v1/zeroes", pathUnpair, "/", "/api/v1/status"} {
		_, err := post(t.Context(), &http.Client{Transport: client}, path, []byte(`{"version":1}`))
		if err == nil {
			t.Errorf("%s answered", path)
		}
	}
}

func TestConnectionOpenedWhilePairedEndsWithTheRelationship(t *testing.T) {
	alpha, beta := pairOf(t)
	conn, err := beta.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := alpha.Pairing.forget("by a test", nil); err != nil {
		t.Fatal(err)
	}
	_, err = post(t.Context(), &http.Client{Transport: conn}, "/peer/v1/poll", []byte(`{"version":1}`))
	if !errors.Is(err, ErrNotPaired) {
		t.Errorf("got %v", err)
	}
}

func TestAddressesAreCompleted(t *testing.T) {
	for given, want := range map[string]string{
		"host": "host:443", "host:8443": "host:8443", "198.51.100.1": "198.51.100.1:443",
		"2001:db8::1": "[2001:db8::1]:443", "[2001:db8::1]": "[2001:db8::1]:443", "[2001:db8::1]:1": "[2001:db8::1]:1",
	} {
		if got := withPort(given); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
	if got := addresses("", []string{"a:1", "", "a", "b:2", "a:1"}); !slices.Equal(got, []string{"a:1", "b:2"}) {
		t.Errorf("addresses %v", got)
	}
}

func TestSecondAddressCarriesTheLink(t *testing.T) {
	alpha, beta := pairOf(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	if err := beta.vault.change(func(s *Secrets) error {
		s.Peer.Addresses = []string{silent.Addr().String(), alpha.address}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := beta.poll(t, 500*time.Millisecond); err != nil {
		t.Error(err)
	}
	if contact, _ := beta.Contact(); contact.Address != alpha.address {
		t.Errorf("over %s", contact.Address)
	}
}

// The appliance that was asked pins first, and polls at once. Who asked lets it in
// as soon as it has pinned, too, rather than turn it away.
func TestFirstPollWaitsForTheEndOfPairing(t *testing.T) {
	t.Parallel()
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	polled := make(chan error, 1)
	beta.paired = func() {
		go func() { polled <- beta.poll(t, 10*time.Second) }()
		time.Sleep(300 * time.Millisecond) // alpha hears the answer later than the poll
	}
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := <-polled; err != nil {
		t.Errorf("first poll: %v", err)
	}
}

// Each of the two hears whether the traffic lease is in force on the other; one of an earlier
// version does not tell, and counts as one where it is not.
func TestAPairingTellsOfTheTrafficLease(t *testing.T) {
	for _, row := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
		alpha.hello.Traffic, beta.hello.Traffic = row[0], row[1]
		if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alpha.leased, []bool{row[1]}) || !slices.Equal(beta.leased, []bool{row[0]}) {
			t.Errorf("%v: alpha heard %v, beta %v", row, alpha.leased, beta.leased)
		}
	}
}
