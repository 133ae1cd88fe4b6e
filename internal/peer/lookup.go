package peer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// How long names may take.
const (
	lookupPatience = 150 * time.Millisecond // then the last address that worked is tried as well
	lookupTime     = 5 * time.Second
	lookupEvery    = time.Minute
	lookupFailures = 2 // in a row, until it is told
)

// Unresolved is a name of the peer that cannot be looked up.
type Unresolved struct {
	Name string
	Used string // host:port that is used instead: the last one that worked; empty: none is known
}

// Unresolved tells of a name of the peer that cannot be looked up now; false if
// there is none.
func (l *Link) Unresolved() (Unresolved, bool) {
	lost := l.unresolved.Load()
	if lost == nil {
		return Unresolved{}, false
	}
	peer, _ := l.Paired() // it may be another by now, or none
	known := slices.ContainsFunc(peer.Addresses, func(address string) bool {
		name, named := nameIn(address)
		return named && name == lost.Name
	})
	if !known {
		return Unresolved{}, false
	}
	return *lost, true
}

// connectTCP connects to host:port. While a name cannot be looked up, the address
// at which the peer last proved itself serves: whoever answers there has to prove
// the same.
func (l *Link) connectTCP(ctx context.Context, address string) (net.Conn, error) {
	last, tune := l.lastReached(address), tuneSocket
	if !large(ctx) || l.narrow.Load() {
		tune = tuneNarrow
	}
	if last == "" {
		return l.dialTCP(ctx, address, tune)
	}
	ctx, cancel := context.WithCancel(ctx)
	var found atomic.Bool
	tries := dials{ended: make(chan dialled, 2)}
	tries.begin(func() (net.Conn, error) {
		return l.dialTCP(ctx, address, func(ctx context.Context, network, at string, raw syscall.RawConn) error {
			found.Store(true)
			return tune(ctx, network, at, raw)
		})
	})
	select {
	case one := <-tries.ended:
		tries.ended <- one
		_, lost := errors.AsType[*net.DNSError](one.err)
		found.Store(!lost)
	case <-time.After(lookupPatience):
	}
	if !found.Load() {
		tries.begin(func() (net.Conn, error) { return l.dialTCP(ctx, last, tune) })
	}
	return tries.first(cancel)
}

func (l *Link) dialTCP(ctx context.Context, address string, tune func(context.Context, string, string, syscall.RawConn) error) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: l.localAddr(address), ControlContext: tune, Resolver: l.options.Resolver}
	return dialer.DialContext(ctx, "tcp", address)
}

// dials are under way at a time.
type dials struct {
	running int
	ended   chan dialled // has room for all
}

type dialled struct {
	conn net.Conn
	err  error
}

func (d *dials) begin(dial func() (net.Conn, error)) {
	d.running++
	go func() {
		conn, err := dial()
		d.ended <- dialled{conn, err}
	}()
}

// first returns the connection that is there first, and has cancel end the others.
func (d *dials) first(cancel func()) (net.Conn, error) {
	var winner net.Conn
	var failed error
	for ; d.running > 0; d.running-- {
		switch one := <-d.ended; {
		case one.err != nil:
			failed = errors.Join(failed, one.err)
		case winner == nil:
			winner = one.conn
		default:
			_ = one.conn.Close()
		}
		if winner != nil {
			cancel()
		}
	}
	cancel()
	if winner != nil {
		return winner, nil
	}
	return nil, failed
}

// lastReached is where the peer last proved itself that was dialled as address, if
// that has a name; empty if it has none, or there is none yet.
func (l *Link) lastReached(address string) string {
	peer := l.vault.read().Peer
	if _, named := nameIn(address); !named || peer == nil {
		return ""
	}
	return peer.Reached[address]
}

// nameIn returns the name in host:port; false if the host is an IP address.
func nameIn(address string) (string, bool) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	_, err = netip.ParseAddr(host)
	return host, err != nil
}

// remember keeps, durably, where the peer proved itself under a name.
func (l *Link) remember(conn *authenticated) {
	at := conn.RemoteAddr().String()
	if _, named := nameIn(conn.address); !named || l.lastReached(conn.address) == at {
		return
	}
	err := l.vault.change(func(s *Secrets) error {
		if s.Peer == nil || s.Peer.Pin != conn.peerPin {
			return nil // forgotten meanwhile
		}
		reached := map[string]string{conn.address: at}
		for _, address := range s.Peer.Addresses { // and no others
			if before, known := s.Peer.Reached[address]; known && address != conn.address {
				reached[address] = before
			}
		}
		s.Peer.Reached = reached
		return nil
	})
	if err != nil {
		l.options.Log.Warn("the peer's address not remembered", slog.Any("error", err))
	}
}

// watchNames looks from time to time whether the peer's names can be looked up, so
// that it is told before it matters.
func (l *Link) watchNames(ctx context.Context) {
	ticker := time.NewTicker(lookupEvery)
	defer ticker.Stop()
	for {
		l.lookUpNames(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lookUpNames looks up each name of the peer, twice if need be.
func (l *Link) lookUpNames(ctx context.Context) {
	peer, _ := l.Paired()
	var lost *Unresolved
	for _, address := range peer.Addresses {
		name, named := nameIn(address)
		if named && lost == nil && !l.lookUp(ctx, name) {
			lost = &Unresolved{Name: name, Used: peer.Reached[address]}
		}
	}
	if ctx.Err() == nil {
		l.unresolved.Store(lost)
	}
}

func (l *Link) lookUp(ctx context.Context, name string) bool {
	for range lookupFailures {
		limited, cancel := context.WithTimeout(ctx, lookupTime)
		_, err := l.options.Resolver.LookupNetIP(limited, "ip", name)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}
