package peer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/peer/channel"
	"baton/internal/tick"
)

// Hello is what an appliance says about itself while pairing.
type Hello struct {
	Name    string     `json:"name"`
	Version string     `json:"version"` // product version
	Role    pair.Role  `json:"role"`
	Epoch   pair.Epoch `json:"epoch"`
	// HoldsData means that this appliance serves or served a site. Pairing replaces that
	// data only if the administrator confirms.
	HoldsData bool   `json:"holds_data"`
	Data      string `json:"data"` // one sentence about that data, for the administrator
	// Pieces is how many pieces of data it protects; nil: it does not know, or is of a version
	// that only says so in Data.
	Pieces *int `json:"pieces,omitempty"`
	// Addresses are further addresses of this appliance, host:port.
	Addresses []string `json:"addresses,omitempty"`
	// Traffic means that the traffic lease is in force there. An earlier version does not tell.
	Traffic bool `json:"traffic,omitempty"`
}

// ProtectsNothing reports whether the appliance surely protects no data. The previous version says so in a sentence.
func (h Hello) ProtectsNothing() bool {
	if h.Pieces == nil {
		return strings.HasPrefix(h.Data, "0 pieces ")
	}
	return *h.Pieces == 0
}

// Options are what a Link needs.
type Options struct {
	Identity Identity
	Keeper   Keeper
	// Self describes this appliance now. Only its Version is used once paired.
	Self func() Hello
	// Port is the port that this appliance listens on; 0: 443.
	Port int
	Log  *slog.Logger
	// OnEvent gets the events for the audit, with Kind, Text and Detail. May be nil.
	OnEvent func(pair.Event)
	// OnPaired makes the role in the new pair durable: backup on the appliance whose data
	// will be replaced (asBackup), primary on the other. It is called on both, before the
	// peer or the administrator is told of success, and again if a pairing is repeated. An
	// error undoes the pairing here. The hello is the peer's.
	OnPaired func(peer Pinned, hello Hello, asBackup bool) error
	// OnUnpaired is called after the relationship with peer has been forgotten.
	OnUnpaired func(peer Pinned)
	// Pace returns the time between two polls: so fast a broken connection is made anew at
	// first, and a quarter of it a poll may wait behind data. Nil: 200 ms.
	Pace func() time.Duration
	// LocalAddr returns the source address of connections to the peer, which must not be
	// the shared IP. Nil, or the zero Addr: the kernel chooses.
	LocalAddr func() netip.Addr
	// Resolver looks up the names of peers; nil: that of the machine.
	Resolver *net.Resolver
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Contact is the newest connection that this appliance opened to its peer.
type Contact struct {
	Address     string        // host:port that answered
	Version     string        // product version of the peer
	Protocol    int           // protocol version agreed on
	ClockOffset time.Duration // how far the peer's wall clock is ahead of ours
	At          time.Time
	IP          netip.Addr // that answered
}

// Peer is the appliance on the other side of a request.
type Peer struct {
	ID      pair.ApplianceID
	Pin     string
	Name    string // empty while pairing
	PairID  string // empty while pairing
	Version string // product version
	Address string // host:port that it came from
}

// Link is this appliance's side of the link to its peer. It is ready for use
// when made; Control and Bulk need Run.
type Link struct {
	Pairing *Pairing
	Way     *Way

	options   Options
	life      channel.Life // of this daemon
	vault     *vault
	routes    *http.ServeMux // for the pinned peer
	unpaired  *http.ServeMux // for an appliance that proved the key while pairing
	server    *http.Server
	strangers *guard
	pinned    *guard
	slots     chan struct{} // handshakes with strangers at a time
	quiet     *quiet
	control   *channel.Channel
	bulk      *channel.Channel
	contact   atomic.Pointer[Contact]

	connMu sync.Mutex
	conns  map[*serverConn]struct{}
}

// maxStrangers is how many unknown appliances may be in a handshake at a time.
const maxStrangers = 16

// New returns a link. It reads the secrets, and fails if they cannot be read.
func New(options Options) (*Link, error) {
	if options.Self == nil || options.Keeper == nil || options.Log == nil || options.Identity.pin == "" {
		return nil, errors.New("peer link: identity, keeper, self and log are needed")
	}
	options = withDefaults(options)
	secrets, err := openVault(options.Keeper)
	if err != nil {
		return nil, err
	}
	l := &Link{
		options: options, life: channel.NewLife(), vault: secrets,
		routes: http.NewServeMux(), unpaired: http.NewServeMux(),
		strangers: strangersGuard(), pinned: pinnedGuard(),
		slots: make(chan struct{}, maxStrangers),
		quiet: &quiet{last: map[string]time.Time{}},
		conns: map[*serverConn]struct{}{},
	}
	l.Pairing, l.Way = &Pairing{link: l}, &Way{options: options, vault: secrets}
	l.bulk = channel.New(channel.Options{
		Dial: func(ctx context.Context) (*channel.Line, error) { return l.connect(withLarge(ctx)) }, Refused: refusesUs, Log: options.Log,
	})
	// A peer that lost its power closes neither connection.
	l.control = channel.New(channel.Options{Dial: l.connect, Refused: refusesUs, Suspect: l.bulk.LeaveIdle, Pace: options.Pace, Log: options.Log})
	l.server = l.innerServer()
	l.unpaired.Handle("POST "+pathPair, Serve(l.Pairing.acceptPair))
	l.unpaired.Handle("POST "+pathLook, Serve(l.Pairing.acceptLook))
	l.routes.Handle("POST "+pathUnpair, http.HandlerFunc(l.Pairing.acceptUnpair))
	return l, nil
}

func withDefaults(o Options) Options {
	if o.Pace == nil {
		o.Pace = func() time.Duration { return 200 * time.Millisecond }
	}
	o.Port, o.Resolver = cmp.Or(o.Port, 443), cmp.Or(o.Resolver, net.DefaultResolver)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnEvent == nil {
		o.OnEvent = func(pair.Event) {}
	}
	if o.OnPaired == nil {
		o.OnPaired = func(Pinned, Hello, bool) error { return nil }
	}
	if o.OnUnpaired == nil {
		o.OnUnpaired = func(Pinned) {}
	}
	return o
}

// Run keeps the connections to the peer until ctx ends. It returns nil.
func (l *Link) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { l.control.Run(ctx) })
	running.Go(func() { l.bulk.Run(ctx) })
	running.Go(func() { every(ctx, proveEvery, l.proveAgain) })
	running.Go(func() {
		l.Way.lookUpNames(ctx)
		every(ctx, lookupEvery, l.Way.lookUpNames)
	})
	running.Wait()
	l.closeConns()
	return nil
}

// every calls do at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := tick.Every(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}

// Control returns the client for polls and switch messages: one persistent
// connection, base URL https://peer. If a request misses its deadline, the connection is
// replaced. Use Call, or read the answer within the deadline.
func (l *Link) Control() *http.Client { return l.control.Client() }

// Bulk returns the client for data, on a connection of its own, so that polls
// never wait behind data.
func (l *Link) Bulk() *http.Client { return l.bulk.Client() }

// met notes the peer's life, which the peer has just proved on a connection, whoever opened
// it.
func (l *Link) met(theirs channel.Life) {
	l.control.Outlive(theirs)
	l.bulk.Outlive(theirs)
}

// connect makes one authenticated connection to the pinned peer.
func (l *Link) connect(ctx context.Context) (*channel.Line, error) {
	conn, err := l.dialPeer(ctx)
	if err != nil {
		l.noteRefusal(err)
		return nil, err
	}
	l.contact.Store(&Contact{
		Address: conn.address, Version: conn.proven.peer.Product, Protocol: conn.proven.protocol,
		ClockOffset: conn.proven.offset, At: l.options.Now(), IP: ipOf(conn.RemoteAddr()),
	})
	l.met(conn.proven.life)
	l.Way.remember(conn)
	client, err := channel.OverHTTP2(ctx, conn)
	if err != nil {
		return nil, err
	}
	return &channel.Line{ClientConn: client, Life: conn.proven.life}, nil
}

// Narrow makes connections for data use small segments, for a network that loses large ones
// without notice. It closes an open one, which the network has stalled.
func (l *Link) Narrow() {
	if !l.Way.narrow.Swap(true) {
		l.bulk.Reset()
	}
}

// Widen ends Narrow. It interrupts nothing.
func (l *Link) Widen() {
	if l.Way.narrow.Swap(false) {
		l.bulk.Renew()
	}
}

// noteRefusal puts a refusal by the peer into the audit, not more than once a minute.
func (l *Link) noteRefusal(err error) {
	if refusesUs(err) && !errors.Is(err, ErrNotPaired) {
		l.failed("connect "+remote(err).Code, "The peer refused a connection", err, nil)
	}
}

// Handle routes requests of the pinned peer. The path of the pattern must begin with
// wire.Prefix. The handler asks PeerFrom who sent the request.
func (l *Link) Handle(pattern string, handler http.Handler) { l.routes.Handle(pattern, handler) }

// Paired returns the peer that this appliance is paired with.
func (l *Link) Paired() (Pinned, bool) {
	if peer := l.vault.read().Peer; peer != nil {
		return *peer, true
	}
	return Pinned{}, false
}

// Contact returns the newest connection that was opened to the peer; false if
// there was none since start.
func (l *Link) Contact() (Contact, bool) {
	if contact := l.contact.Load(); contact != nil {
		return *contact, true
	}
	return Contact{}, false
}

type peerKey struct{}

// PeerFrom returns the appliance that sent the request to which ctx belongs.
func PeerFrom(ctx context.Context) (Peer, bool) { //nolint:revive // says what From would leave open: from which side
	peer, ok := ctx.Value(peerKey{}).(Peer)
	return peer, ok
}

// event reports to the audit. Events with the same topic come at most once a
// minute; without a topic, always.
func (l *Link) event(topic, kind, text string, detail map[string]string) {
	if topic != "" && !l.quiet.allow(topic, l.options.Now()) {
		return
	}
	l.options.Log.Info("peer link event", slog.String("kind", kind), slog.String("text", text))
	l.options.OnEvent(pair.Event{Kind: kind, Text: text, Detail: detail})
}

// failed reports to the audit that a pairing failed or that an appliance was refused, as
// what says, with the reason.
func (l *Link) failed(topic, what string, err error, detail map[string]string) {
	text, full := cause.Sentence(err)
	if detail == nil {
		detail = map[string]string{}
	}
	detail["reason"] = remote(err).Code
	if full != "" {
		detail[pair.DetailCause] = full
	}
	l.event(topic, pair.KindPairingFailed, what+": "+strings.TrimRight(text, ".")+".", detail)
}

// quiet limits how many events a stranger can cause.
type quiet struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (q *quiet) allow(topic string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last, ok := q.last[topic]; ok && now.Sub(last) < time.Minute {
		return false
	}
	q.last[topic] = now
	return true
}
