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
	lookupPatience = 150 * time.Millisecond // after it the last address that worked is tried as well
	lookupTime     = 5 * time.Second
	lookupEvery    = time.Minute
	lookupFailures = 2 // in a row, before it is reported
)

// Unresolved is a name of the peer that cannot be looked up.
type Unresolved struct {
	Name string
	Used string // host:port that is used instead: the last one that worked; empty: none is known
}

// Way is how the peer is reached: from which address, by which names, and with segments
// of which size.
type Way struct {
	options Options
	vault   *vault

	narrow     atomic.Bool                // large segments do not pass
	unresolved atomic.Pointer[Unresolved] // nil: every name of the peer can be looked up
}

// Unresolved returns a name of the peer that cannot be looked up now; false if there is
// none.
func (w *Way) Unresolved() (Unresolved, bool) {
	lost := w.unresolved.Load()
	if lost == nil {
		return Unresolved{}, false
	}
	// There may be another peer by now, or none.
	known := slices.ContainsFunc(w.vault.read().peer().Addresses, func(address string) bool {
		name, named := nameIn(address)
		return named && name == lost.Name
	})
	if !known {
		return Unresolved{}, false
	}
	return *lost, true
}

// connectTCP connects to host:port. While the name cannot be looked up, it connects to the
// address at which the peer proved itself last; who answers there has to prove the same.
func (w *Way) connectTCP(ctx context.Context, address string) (net.Conn, error) {
	last, tune := w.lastReached(address), tuneSocket
	if !large(ctx) || w.narrow.Load() {
		tune = tuneNarrow
	}
	if last == "" {
		return w.dialTCP(ctx, address, tune)
	}
	ctx, cancel := context.WithCancel(ctx)
	var found atomic.Bool
	tries := dials{ended: make(chan dialled, 2)}
	tries.begin(func() (net.Conn, error) {
		return w.dialTCP(ctx, address, func(ctx context.Context, network, at string, raw syscall.RawConn) error {
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
		tries.begin(func() (net.Conn, error) { return w.dialTCP(ctx, last, tune) })
	}
	return tries.first(cancel)
}

func (w *Way) dialTCP(ctx context.Context, address string, tune func(context.Context, string, string, syscall.RawConn) error) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: w.localAddr(address), ControlContext: tune, Resolver: w.options.Resolver}
	return dialer.DialContext(ctx, "tcp", address)
}

// dials are attempts that run at the same time.
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

// first returns the connection that is made first, and cancels the others.
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

// lastReached returns where the peer proved itself last when address, which has a name, was
// dialled. It is empty if address has no name, or the peer has not proved itself yet.
func (w *Way) lastReached(address string) string {
	return w.vault.read().peer().Reached[address]
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

// remember saves where the peer proved itself under a name.
func (w *Way) remember(conn *authenticated) {
	at := conn.RemoteAddr().String()
	if _, named := nameIn(conn.address); !named || w.lastReached(conn.address) == at {
		return
	}
	err := w.vault.change(func(s *Secrets) error {
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
		w.options.Log.Warn("the peer's address not remembered", slog.Any("error", err))
	}
}

// lookUpNames looks up each name of the peer, twice if the first try fails, so that a name
// that is gone is reported before it is needed.
func (w *Way) lookUpNames(ctx context.Context) {
	var lost *Unresolved
	for _, address := range w.vault.read().peer().Addresses {
		name, named := nameIn(address)
		if named && lost == nil && !w.lookUp(ctx, name) {
			lost = &Unresolved{Name: name, Used: w.lastReached(address)}
		}
	}
	if ctx.Err() == nil {
		w.unresolved.Store(lost)
	}
}

func (w *Way) lookUp(ctx context.Context, name string) bool {
	for range lookupFailures {
		limited, cancel := context.WithTimeout(ctx, lookupTime)
		_, err := w.options.Resolver.LookupNetIP(limited, "ip", name)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}
