package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// rightKey and otherKey are stretched once for all tests.
const (
	rightKey = "correct horse battery staple"
	otherKey = "incorrect horse battery staple"
)

var stretched = sync.OnceValue(func() map[string]Key {
	keys := map[string]Key{}
	for _, text := range []string{rightKey, otherKey} {
		key, err := Stretch(text)
		if err != nil {
			panic(err)
		}
		key.Number = 1
		keys[text] = key
	}
	return keys
})

// memory keeps secrets like a disk that a test can break.
type memory struct {
	mu      sync.Mutex
	secrets Secrets
	err     error
}

func (m *memory) Load() (Secrets, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.secrets.clone(), nil
}

func (m *memory) Save(s Secrets) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.secrets = s
	}
	return m.err
}

// appliance is a daemon as far as the link goes: a port with console and link.
type appliance struct {
	*Link
	address string
	port    int
	keeper  *memory
	dir     string
	stop    func()
	names   *net.Resolver // nil: that of the machine

	mu     sync.Mutex
	hello  Hello
	events []pair.Event
	roles  []string
	leased []bool // what the peers told of their traffic lease
	refuse error  // of OnPaired
	paired func()
	clock  time.Duration
}

func newAppliance(tb testing.TB, name, key string) *appliance {
	tb.Helper()
	a := &appliance{keeper: &memory{}, dir: tb.TempDir(), hello: Hello{Name: name, Version: "1.0.0"}}
	if key != "" {
		a.keeper.secrets.Key = stretched()[key]
	}
	a.start(tb, "127.0.0.1:0")
	return a
}

func (a *appliance) start(tb testing.TB, listen string) {
	tb.Helper()
	identity, err := LoadIdentity(a.dir)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		tb.Fatal(err)
	}
	a.address = listener.Addr().String()
	a.port = listener.Addr().(*net.TCPAddr).Port
	a.Link, err = New(Options{
		Identity: identity, Keeper: a.keeper, Port: a.port, Log: slog.New(slog.DiscardHandler), Resolver: a.names,
		Self: func() Hello { a.mu.Lock(); defer a.mu.Unlock(); return a.hello },
		Now:  func() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return time.Now().Add(a.clock) },
		OnEvent: func(e pair.Event) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.events = append(a.events, e)
		},
		OnPaired: func(p Pinned, hello Hello, asBackup bool) error {
			if a.paired != nil {
				a.paired()
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.refuse != nil {
				return a.refuse
			}
			a.roles = append(a.roles, map[bool]string{true: "backup of ", false: "primary of "}[asBackup]+p.Name)
			a.leased = append(a.leased, hello.Traffic)
			return nil
		},
		OnUnpaired: func(p Pinned) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.roles = append(a.roles, "left "+p.Name)
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	a.Handle("POST /peer/v1/poll", Serve(func(ctx context.Context, poll wire.Poll) (wire.Answer, error) {
		from, ok := PeerFrom(ctx)
		if !ok {
			return wire.Answer{}, errors.New("no peer")
		}
		return wire.Answer{Seq: poll.Seq, View: pair.View{ID: from.ID, PairID: from.PairID}}, nil
	}))
	a.Handle("GET /peer/v1/zeroes", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeroes{}, 256<<20)
	}))
	server := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "console "+r.Proto) }),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	server.TLSConfig = a.TLS(&tls.Config{Certificates: []tls.Certificate{identity.certificate}})
	a.Attach(server)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(listener, "", "") })
	running.Go(func() { _ = a.Run(ctx) })
	a.stop = sync.OnceFunc(func() {
		cancel()
		_ = server.Close()
		running.Wait()
	})
	tb.Cleanup(func() { a.stop() })
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { return len(p), nil }

func (a *appliance) kinds() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, e := range a.events {
		text := e.Kind
		if reason := e.Detail["reason"]; reason != "" {
			text += " " + reason
		}
		all = append(all, text)
	}
	return all
}

func (a *appliance) tell(f func(*appliance)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

func (a *appliance) poll(tb testing.TB, timeout time.Duration) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	answer, err := Call[wire.Poll, wire.Answer](ctx, a.Control(), "/peer/v1/poll", wire.Poll{Seq: 5})
	if err == nil && answer.Seq != 5 {
		tb.Errorf("answer %+v", answer)
	}
	return err
}

// eventually polls for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatal("never: " + what)
}

// pairOf returns two paired appliances: alpha, whose data stays, and beta.
func pairOf(tb testing.TB) (alpha, beta *appliance) {
	tb.Helper()
	alpha, beta = newAppliance(tb, "alpha", rightKey), newAppliance(tb, "beta", rightKey)
	if _, err := alpha.Pairing.Pair(tb.Context(), beta.address, PairRequest{}); err != nil {
		tb.Fatal(err)
	}
	return alpha, beta
}

func TestPairingWithTheRightKey(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", rightKey)
	atAlpha, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	atBeta, ok := beta.Paired()
	if !ok {
		t.Fatal("beta is not paired")
	}
	if atAlpha.ID != beta.options.Identity.ID() || atAlpha.Name != "beta" || atBeta.ID != alpha.options.Identity.ID() || atBeta.Name != "alpha" {
		t.Errorf("pinned %+v and %+v", atAlpha, atBeta)
	}
	if atAlpha.PairID == "" || atAlpha.PairID != atBeta.PairID {
		t.Errorf("pair ids %q and %q", atAlpha.PairID, atBeta.PairID)
	}
	if !slices.Equal(atBeta.Addresses, []string{alpha.address}) || !slices.Equal(atAlpha.Addresses, []string{beta.address}) {
		t.Errorf("addresses %v and %v", atAlpha.Addresses, atBeta.Addresses)
	}
	if !slices.Equal(alpha.roles, []string{"primary of beta"}) || !slices.Equal(beta.roles, []string{"backup of alpha"}) {
		t.Errorf("roles %v and %v", alpha.roles, beta.roles)
	}
	if err := alpha.poll(t, time.Second); err != nil {
		t.Error(err)
	}
	if err := beta.poll(t, time.Second); err != nil {
		t.Error(err)
	}
	if contact, ok := beta.Contact(); !ok || contact.Address != alpha.address || contact.Version != "1.0.0" {
		t.Errorf("contact %+v", contact)
	}
}

func TestPairingWithTheWrongKey(t *testing.T) {
	alpha, beta := newAppliance(t, "alpha", rightKey), newAppliance(t, "beta", otherKey)
	_, err := alpha.Pairing.Pair(t.Context(), beta.address, PairRequest{})
	if !errors.Is(err, ErrKeyMismatch) {
		t.Fatalf("got %v, want a key mismatch", err)
	}
	for _, a := range []*appliance{alpha, beta} {
		if _, ok := a.Paired(); ok {
			t.Errorf("%s pinned somebody", a.hello.Name)
		}
		if got := a.kinds(); !slices.Equal(got, []string{"pairing-failed key-mismatch"}) {
			t.Errorf("%s: events %v", a.hello.Name, got)
		}
	}
}
