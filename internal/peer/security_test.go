package peer

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBrowserOnTheSamePortMeetsTheConsole(t *testing.T) {
	a := newAppliance(t, "alpha", rightKey)
	for _, row := range []struct {
		http2 bool
		want  string
	}{{true, "console HTTP/2.0"}, {false, "console HTTP/1.1"}} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: row.http2}
		response, err := (&http.Client{Transport: transport}).Get("https://" + a.address + "/peer/v1/poll")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != row.want {
			t.Errorf("got %q, %v, want %q", body, err, row.want)
		}
		_ = response.Body.Close()
		transport.CloseIdleConnections()
	}
}

// middle terminates TLS on both sides with a certificate of its own and passes
// on what it reads.
func middle(t *testing.T, target string) string {
	t.Helper()
	mallory, err := LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", mallory.serverTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			left, err := listener.Accept()
			if err != nil {
				return
			}
			right, err := tls.Dial("tcp", target, mallory.clientTLS(""))
			if err != nil {
				_ = left.Close()
				continue
			}
			go func() { forge(left, right, mallory); _ = left.Close() }()
			go func() { forge(right, left, mallory); _ = right.Close() }()
		}
	}()
	return listener.Addr().String()
}

// forge passes frames on and puts its own appliance id into greetings, so that
// only the key exchange can notice.
func forge(to io.Writer, from io.Reader, mallory Identity) {
	for {
		f, err := readFrame(from)
		if err != nil {
			return
		}
		if g, message, err := decodeHello(f); err == nil {
			g.ID = mallory.ID()
			if f, _, err = encodeHello(message.Share, g); err != nil {
				return
			}
		}
		if err := writeFrame(to, f); err != nil {
			return
		}
	}
}

func TestManInTheMiddleGetsNoConfirmation(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	_, err := alpha.Pairing.Pair(t.Context(), middle(t, beta.address), PairRequest{})
	if !errors.Is(err, ErrKeyMismatch) {
		t.Fatalf("got %v, want a key mismatch", err)
	}
	for _, a := range []*appliance{alpha, beta} {
		if _, ok := a.Paired(); ok {
			t.Errorf("%s is paired", a.hello.Name)
		}
	}
}

func TestManInTheMiddleOfAPairIsStoppedBeforeAGuess(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := beta.vault.change(func(s *Secrets) error {
		s.Peer.Addresses = []string{middle(t, alpha.address)}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	beta.control.Reset()
	if err := beta.poll(t, time.Second); !errors.Is(err, ErrIdentityChanged) {
		t.Errorf("got %v", err)
	}
	if n := beta.vault.read().Unconfirmed; n != 0 {
		t.Errorf("%d confirmations were sent", n)
	}
}

// duel runs a handshake with the two sides that a test gives, over real TLS.
func duel(t *testing.T, initiate, respond func(h handshake) error) (atInitiator, atResponder error) {
	t.Helper()
	ends := make(chan error, 1)
	left, right := newIdentityLink(t), newIdentityLink(t)
	a, b := net.Pipe()
	deadline := time.Now().Add(5 * time.Second)
	_, _ = a.SetDeadline(deadline), b.SetDeadline(deadline)
	go func() {
		conn := tls.Server(b, right.options.Identity.serverTLS())
		err := conn.HandshakeContext(context.Background())
		var h handshake
		if err == nil {
			h, err = newHandshake(conn, right.options.Identity.Pin(), "1", time.Now)
		}
		if err == nil {
			err = respond(h)
		}
		_ = b.Close()
		ends <- err
	}()
	conn := tls.Client(a, left.options.Identity.clientTLS(""))
	err := conn.HandshakeContext(t.Context())
	var h handshake
	if err == nil {
		h, err = newHandshake(conn, left.options.Identity.Pin(), "1", time.Now)
	}
	if err == nil {
		err = initiate(h)
	}
	_ = a.Close()
	return err, <-ends
}

func newIdentityLink(t *testing.T) *Link {
	t.Helper()
	identity, err := LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Link{options: Options{Identity: identity}}
}

// openDoor admits everybody.
type openDoor struct{ secrets Secrets }

func (d openDoor) admit(string, greeting) (Secrets, error) { return d.secrets, nil }
func (openDoor) guess(string) error                        { return nil }
func (openDoor) right(string)                              {}
func (openDoor) wrong(string)                              {}
func (openDoor) mismatch(string, Key) error                { return ErrKeyMismatch }

func honest(h handshake) error {
	_, err := h.respond(openDoor{Secrets{Key: stretched()[rightKey]}})
	return err
}

func eager(h handshake) error {
	_, err := h.initiate(Secrets{Key: stretched()[rightKey]}, purposePair, func() error { return nil })
	return err
}

func TestHandshakeOfTheDuelWorks(t *testing.T) {
	if a, b := duel(t, eager, honest); a != nil || b != nil {
		t.Fatal(a, b)
	}
}

func TestReflectionIsRefused(t *testing.T) {
	mirror := func(h handshake) error { // sends back whatever it is sent
		for range 2 {
			f, err := readFrame(h.stream)
			if err != nil {
				return err
			}
			if err := writeFrame(h.stream, f); err != nil {
				return err
			}
		}
		return nil
	}
	if err, _ := duel(t, eager, mirror); !errors.Is(err, errFrame) {
		t.Errorf("whole hello sent back: %v", err)
	}
	masked := func(h handshake) error { // our share with a greeting of its own
		f, err := readFrame(h.stream)
		if err != nil {
			return err
		}
		hello, _, err := encodeHello(f.payload[:32], h.greeting(roleResponder, purposePair, Key{Number: 1}))
		if err != nil {
			return err
		}
		return writeFrame(h.stream, hello)
	}
	if err, _ := duel(t, eager, masked); err == nil || !strings.Contains(err.Error(), "own share") {
		t.Errorf("own share sent back: %v", err)
	}
}

func TestSpoiledHandshakesAreRefused(t *testing.T) {
	share := make([]byte, 32)
	share[0] = 9
	hello := func(h handshake, change func(*greeting)) frame {
		g := h.greeting(roleInitiator, purposePair, Key{Number: 1})
		change(&g)
		f, _, _ := encodeHello(share, g)
		return f
	}
	for name, row := range map[string]struct {
		send func(h handshake) []byte
		want string
	}{
		"nothing":         {func(handshake) []byte { return nil }, "EOF"},
		"half a header":   {func(handshake) []byte { return []byte{frameHello, 0} }, "EOF"},
		"half a frame":    {func(handshake) []byte { return []byte{frameHello, 0, 100, 1, 2, 3} }, "EOF"},
		"oversized frame": {func(handshake) []byte { return []byte{frameHello, 0xff, 0xff} }, "limit"},
		"no hello":        {func(handshake) []byte { return packed(frame{frameConfirm, make([]byte, 64)}) }, "no hello"},
		"no JSON":         {func(handshake) []byte { return packed(frame{frameHello, make([]byte, 64)}) }, "greeting"},
		"wrong role":      {func(h handshake) []byte { return packed(hello(h, func(g *greeting) { g.Role = roleResponder })) }, "role"},
		"another's id":    {func(h handshake) []byte { return packed(hello(h, func(g *greeting) { g.ID = "0" })) }, "id does not belong"},
		"later protocol":  {func(h handshake) []byte { return packed(hello(h, func(g *greeting) { g.Min, g.Max = 7, 9 })) }, "7 to 9"},
		"zero share": {func(h handshake) []byte {
			f := hello(h, func(*greeting) {})
			clear(f.payload[:32])
			return packed(f)
		}, "unusable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := duel(t, func(h handshake) error {
				_, err := h.stream.Write(row.send(h))
				if err == nil && strings.Contains(row.want, "to") {
					_, err = readFrame(h.stream)
				}
				return err
			}, honest)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

func packed(f frame) []byte {
	out := []byte{f.kind}
	out = binary.BigEndian.AppendUint16(out, uint16(len(f.payload)))
	return append(out, f.payload...)
}

func TestVersionMismatchIsToldToBoth(t *testing.T) {
	a, b := duel(t, func(h handshake) error {
		f, _, err := encodeHello(make([]byte, 32), greeting{Role: roleInitiator, ID: idOfPin(h.ownPin), Min: 2, Max: 3, Product: "9.0"})
		if err != nil {
			return err
		}
		_, err = h.ask(f)
		return err
	}, honest)
	if !errors.Is(a, ErrVersion) || !errors.Is(b, ErrVersion) || !strings.Contains(a.Error(), "9.0") {
		t.Errorf("got %v and %v", a, b)
	}
}

func TestSilentStrangerIsDroppedInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the handshake's deadline of 5 s")
	}
	t.Parallel()
	a := newAppliance(t, "alpha", rightKey)
	conn, err := newIdentityLink(t).dialTLSForTest(a.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(2 * handshakeTime))
	start := time.Now()
	if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(start) > handshakeTime*3/2 {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

func (l *Link) dialTLSForTest(address string) (*tls.Conn, error) {
	return tls.Dial("tcp", address, l.options.Identity.clientTLS(""))
}

func TestInitiatorStopsAfterTenFailedConfirmations(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", otherKey)
	mismatches := 0
	for range 30 {
		beta.strangers.reset()
		alpha.Pairing.retryFrom.Store(nil)
		_, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
		if errors.Is(err, ErrKeyMismatch) {
			mismatches++
		} else if !errors.Is(err, ErrThrottled) {
			t.Fatal(err)
		}
	}
	if mismatches != maxUnconfirmed {
		t.Errorf("%d guesses were given away", mismatches)
	}
	alpha.stop()
	alpha.start(t, alpha.address)
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrThrottled) {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := alpha.SetKey(t.Context(), otherKey); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); err != nil {
		t.Errorf("after the key was corrected: %v", err)
	}
}

func TestInitiatorPausesBetweenFailures(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", otherKey)
	for range freeAttempts + 1 {
		beta.strangers.reset()
		if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrKeyMismatch) {
			t.Fatal(err)
		}
	}
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrThrottled) {
		t.Errorf("got %v", err)
	}
}

func TestResponderLimitsTheGuessesOfASource(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", otherKey)
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrKeyMismatch) {
		t.Fatal(err)
	}
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrThrottled) {
		t.Errorf("second guess at once: %v", err)
	}
	beta.tell(func(a *appliance) { a.clock = 2 * time.Second })
	if _, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{}); !errors.Is(err, ErrKeyMismatch) {
		t.Errorf("after the pause: %v", err)
	}
}

func TestGuardCountsWrongGuessesOnly(t *testing.T) {
	now := time.Unix(0, 0)
	g := strangersGuard()
	for range 100 {
		if err := g.take("a", now); err != nil {
			t.Fatal(err)
		}
		g.giveBack("a")
	}
	for i := range 10 {
		if err := g.take(string(rune('a'+i)), now); err != nil {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if err := g.take("z", now); !errors.Is(err, ErrThrottled) {
		t.Error("an eleventh source guesses at once")
	}
	if err := g.take("z", now.Add(6*time.Second)); err != nil {
		t.Error("the bucket does not fill")
	}
}

func TestGuardPausesDouble(t *testing.T) {
	now := time.Unix(0, 0)
	g := strangersGuard()
	for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		pause := time.Duration(seconds) * time.Second
		if err := g.take("a", now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(pause - 1)
		if err := g.open("a", now); !errors.Is(err, ErrThrottled) {
			t.Errorf("open before %v are over", pause)
		}
		now = now.Add(1)
	}
	for range 3 * maxSources {
		g.punish(time.Now().String(), now)
	}
	if len(g.sources) > maxSources {
		t.Errorf("%d sources are remembered", len(g.sources))
	}
}

func FuzzHello(f *testing.F) {
	hello, _, err := encodeHello(make([]byte, 32), greeting{Role: roleInitiator, ID: "x", Min: 1, Max: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed(hello))
	f.Add([]byte{frameRefusal, 0, 2, '{', '}'})
	f.Add([]byte{frameHello, 0xff, 0xff, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readFrame(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		if len(got.payload) > maxFrame {
			t.Fatalf("frame of %d bytes", len(got.payload))
		}
		if _, message, err := decodeHello(got); err == nil && len(message.Share) != 32 {
			t.Fatalf("share of %d bytes", len(message.Share))
		}
		if refusal := refusalIn(got); refusal != nil && refusal.Error() == "" {
			t.Fatal("a refusal without a sentence")
		}
	})
}

func TestProofIsBoundToTheTLSSessionAndBothPins(t *testing.T) {
	pinA, pinB, pinC := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("a", 32)+strings.Repeat("c", 32)
	session := []byte("session")
	for name, row := range map[string]struct {
		responder handshake // what the responder sees; the initiator sees session, A and B
		want      error
	}{
		"the same":                {handshake{exporter: session, ownPin: pinB, peerPin: pinA}, nil},
		"another session":         {handshake{exporter: []byte("other"), ownPin: pinB, peerPin: pinA}, ErrKeyMismatch},
		"another pin, same id":    {handshake{exporter: session, ownPin: pinB, peerPin: pinC}, ErrKeyMismatch},
		"no session at all there": {handshake{ownPin: pinB, peerPin: pinA}, ErrKeyMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := net.Pipe()
			_, _ = a.SetDeadline(time.Now().Add(5*time.Second)), b.SetDeadline(time.Now().Add(5*time.Second))
			row.responder.stream, row.responder.now = b, time.Now
			ends := make(chan error, 1)
			go func() { ends <- honest(row.responder) }()
			err := eager(handshake{stream: a, exporter: session, ownPin: pinA, peerPin: pinB, now: time.Now})
			_ = a.Close()
			if other := <-ends; !errors.Is(err, row.want) || !errors.Is(other, row.want) {
				t.Errorf("got %v and %v, want %v", err, other, row.want)
			}
		})
	}
}
