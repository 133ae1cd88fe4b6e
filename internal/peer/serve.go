package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"baton/internal/peer/channel"
	"baton/internal/peer/queue"
)

// serverConn is an authenticated connection that the peer opened. For net/http it is a plain
// connection that begins with HTTP/2.
type serverConn struct {
	net.Conn
	peer    Peer
	purpose string

	once sync.Once
	gone chan struct{} // closed with the connection
}

// Close implements net.Conn.
func (c *serverConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.gone) })
	return err
}

// single is a net.Listener that returns one open connection.
type single struct {
	conn *serverConn
	once sync.Once
}

func (s *single) Accept() (net.Conn, error) {
	var first net.Conn
	s.once.Do(func() { first = s.conn })
	if first != nil {
		return first, nil
	}
	<-s.conn.gone
	return nil, net.ErrClosed
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return s.conn.LocalAddr() }

// Attach makes srv hand over the connections that ask for the peer link. Call it before srv
// serves; srv must use the configuration that TLS returned.
func (l *Link) Attach(srv *http.Server) {
	if srv.TLSNextProto == nil {
		srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	srv.TLSNextProto[ALPN] = func(_ *http.Server, conn *tls.Conn, _ http.Handler) { l.serve(conn) }
	if srv.Protocols == nil { // else setting TLSNextProto would switch HTTP/2 off for browsers
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetHTTP2(true)
	}
	srv.RegisterOnShutdown(l.closeConns)
}

// innerServer serves HTTP/2 on connections that have been authenticated.
func (l *Link) innerServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(l.route),
		Protocols:         protocols,
		HTTP2:             channel.HTTP2Settings(),
		ReadHeaderTimeout: handshakeTime,
		MaxHeaderBytes:    1 << 20, // what a site's client may say, which is passed on in a planned switch
		ErrorLog:          slog.NewLogLogger(l.options.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
	}
}

type connKey struct{}

// route lets a connection for pairing reach the pairing routes, and the peer that is pinned
// now all others.
func (l *Link) route(w http.ResponseWriter, r *http.Request) {
	conn, ok := r.Context().Value(connKey{}).(*serverConn)
	if !ok {
		AnswerProblem(w, ErrNotPaired)
		return
	}
	ctx := context.WithValue(r.Context(), peerKey{}, conn.peer)
	switch {
	case conn.purpose == purposePair:
		l.unpaired.ServeHTTP(w, r.WithContext(ctx))
	case l.vault.read().peer().Pin == conn.peer.Pin:
		l.routes.ServeHTTP(w, r.WithContext(ctx))
	default:
		AnswerProblem(w, ErrNotPaired)
	}
}

// serve authenticates a connection and serves it until it ends.
func (l *Link) serve(conn *tls.Conn) {
	tuneAccepted(conn.NetConn())
	accepted, err := l.accept(conn)
	if err != nil {
		l.options.Log.Debug("refused a connection to the peer link",
			slog.String("from", conn.RemoteAddr().String()), slog.Any("error", err))
		_ = conn.Close()
		return
	}
	l.track(accepted)
	defer l.untrack(accepted)
	_ = l.server.Serve(&single{conn: accepted}) // ends with the connection
}

func (l *Link) accept(conn *tls.Conn) (*serverConn, error) {
	h, err := l.handshake(conn)
	if err != nil {
		return nil, err
	}
	if h.peerPin != l.vault.read().peer().Pin {
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
		default:
			return nil, ErrBusy
		}
	}
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, err
	}
	result, err := h.respond(&door{link: l, source: sourceOf(conn.RemoteAddr()), from: conn.RemoteAddr().String()})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(conn.SetDeadline(time.Time{}), l.proved(result)); err != nil {
		return nil, err
	}
	if result.peer.Purpose == purposeLink { // the pinned peer
		l.met(result.life)
	}
	accepted := &serverConn{Conn: queue.New(conn, conn.NetConn(), l.options.Pace), purpose: result.peer.Purpose, gone: make(chan struct{})}
	accepted.peer = Peer{ID: result.peer.ID, Pin: h.peerPin, Version: result.peer.Product, Address: conn.RemoteAddr().String()}
	if peer := l.vault.read().Peer; peer != nil && peer.Pin == h.peerPin {
		accepted.peer.Name, accepted.peer.PairID = peer.Name, peer.PairID
	}
	return accepted, nil
}

// door decides about one connection that arrived.
type door struct {
	link   *Link
	source string // to which wrong guesses count
	from   string // host:port
}

func (d *door) guardOf(peerPin string) *guard {
	if d.link.vault.read().peer().Pin == peerPin {
		return d.link.pinned
	}
	return d.link.strangers
}

func (d *door) admit(peerPin string, g greeting) (Secrets, error) {
	if g.Purpose == purposeLink {
		d.link.Pairing.awaitDecision(peerPin)
	}
	secrets := d.link.vault.read()
	if err := d.welcome(peerPin, g.Purpose, secrets); err != nil {
		d.blame(err, peerPin)
		return Secrets{}, err
	}
	if err := d.guardOf(peerPin).open(d.source, d.link.options.Now()); err != nil {
		d.blame(err, peerPin)
		return Secrets{}, err
	}
	return secrets, nil
}

func (d *door) welcome(peerPin, purpose string, secrets Secrets) error {
	same := secrets.peer().Pin == peerPin
	switch {
	case secrets.Key.IsZero():
		return ErrNoKey
	case purpose == purposePair && (secrets.Peer == nil || same), purpose == purposeLink && same:
		return nil
	case purpose == purposePair:
		return fmt.Errorf("%w (the one paired shows certificate %s, the one asking %s)", ErrAlreadyPaired, shortPin(secrets.peer().Pin), shortPin(peerPin))
	case secrets.Peer == nil:
		return ErrNotPaired
	}
	return &IdentityError{Want: secrets.peer().Pin, Got: peerPin}
}

// guess claims one guess, before it is checked.
func (d *door) guess(peerPin string) error {
	err := d.guardOf(peerPin).take(d.source, d.link.options.Now())
	if err != nil {
		d.blame(err, peerPin)
	}
	return err
}

func (d *door) right(peerPin string) { d.guardOf(peerPin).giveBack(d.source) }

func (d *door) wrong(peerPin string) { d.blame(ErrKeyMismatch, peerPin) }

// mismatch names our key's fingerprint only to the appliance that we are paired with, as its
// certificate shows: a stranger could test guesses against it.
func (d *door) mismatch(peerPin string, ours Key) error {
	if d.link.vault.read().peer().Pin != peerPin {
		return ErrKeyMismatch
	}
	return fmt.Errorf("%w (the key of that appliance has the fingerprint %s)", ErrKeyMismatch, ours.Fingerprint())
}

func (d *door) blame(reason error, peerPin string) {
	d.link.failed("accept "+remote(reason).Code, "An appliance at "+d.from+" was refused", reason,
		map[string]string{"from": d.from, "pin": peerPin})
}

// sourceOf names the source to which wrong guesses count: an IPv4 address, or an IPv6
// network of 64 bits, in which anybody has many addresses.
func sourceOf(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return addr.String()
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is6() {
		if prefix, err := ip.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return ip.String()
}

func (l *Link) track(conn *serverConn) {
	l.connMu.Lock()
	defer l.connMu.Unlock()
	l.conns[conn] = struct{}{}
}

func (l *Link) untrack(conn *serverConn) {
	_ = conn.Close()
	l.connMu.Lock()
	defer l.connMu.Unlock()
	delete(l.conns, conn)
}

// closeConns ends all connections that the peer opened.
func (l *Link) closeConns() {
	l.connMu.Lock()
	defer l.connMu.Unlock()
	for conn := range l.conns {
		_ = conn.Close()
	}
}
