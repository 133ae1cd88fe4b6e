package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/peer/queue"
)

// userTimeout is how long sent bytes may stay unacknowledged before the kernel
// gives the connection up (TCP_USER_TIMEOUT).
const userTimeout = 10 * time.Second

// narrowSegment is a segment size, in bytes, that passes every network: RFC 9293 assumes it
// where nothing is known. It applies to both directions.
const narrowSegment = 536

type largeKey struct{}

// withLarge asks for a connection with segments as large as the interface allows. All other
// connections have narrow ones: they carry little, and must work also where large frames
// are lost without notice.
func withLarge(ctx context.Context) context.Context { return context.WithValue(ctx, largeKey{}, true) }

func large(ctx context.Context) bool {
	asked, _ := ctx.Value(largeKey{}).(bool)
	return asked
}

// stagger is the delay before each further address of the peer is tried, so that the first
// one is used if it works.
const stagger = 30 * time.Millisecond

// authenticated is a connection whose other side proved identity and key. It
// hides the TLS connection from net/http, which would look for ALPN h2.
type authenticated struct {
	net.Conn
	proven  proven
	peerPin string
	address string // that was dialled
}

// dial connects to one address and authenticates. While pairing, pin may be empty.
func (l *Link) dial(ctx context.Context, address, pin, purpose string) (*authenticated, error) {
	conn, err := l.Way.dialTLS(ctx, address, pin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	// Only closing ends reads and writes that hang.
	stop := context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })
	result, err := l.prove(conn, purpose)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.NetConn().Close()
		return nil, unreachable(address, err)
	}
	return &authenticated{Conn: queue.New(conn, conn.NetConn(), l.options.Pace), proven: result, peerPin: pinOf(conn.ConnectionState().PeerCertificates[0]), address: address}, nil
}

func (l *Link) prove(conn *tls.Conn, purpose string) (proven, error) {
	h, err := l.handshake(conn)
	if err != nil {
		return proven{}, err
	}
	secrets := l.vault.read()
	if secrets.Key.IsZero() {
		return proven{}, ErrNoKey
	}
	result, err := h.initiate(secrets, purpose, func() error { return l.Pairing.spend(purpose) })
	if err != nil {
		return proven{}, err
	}
	if purpose == purposePair {
		err = l.Pairing.unspend()
	}
	return result, errors.Join(err, l.proved(result))
}

// dialTLS connects to one address and compares the pin, without proving the key.
func (w *Way) dialTLS(ctx context.Context, address, pin string) (*tls.Conn, error) {
	conn, err := w.connectTCP(ctx, address)
	if err != nil {
		return nil, unreachable(address, err)
	}
	secure := tls.Client(conn, w.options.Identity.clientTLS(pin))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, unreachable(address, err)
	}
	return secure, nil
}

// localAddr is the source address for connections to address, or nil for the
// kernel's choice.
func (w *Way) localAddr(address string) net.Addr {
	if w.options.LocalAddr == nil {
		return nil
	}
	local := w.options.LocalAddr()
	host, _, err := net.SplitHostPort(address)
	target, parseErr := netip.ParseAddr(host)
	if err != nil || parseErr != nil || !local.IsValid() || local.Is4() != target.Unmap().Is4() {
		return nil
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
}

func tuneSocket(_ context.Context, _, _ string, raw syscall.RawConn) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
	return errors.Join(ctlErr, err)
}

// tuneNarrow is tuneSocket for a connection with narrow segments.
func tuneNarrow(ctx context.Context, network, address string, raw syscall.RawConn) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, narrowSegment)
	})
	return errors.Join(ctlErr, err, tuneSocket(ctx, network, address, raw))
}

// tuneAccepted is tuneSocket for a connection that the peer opened.
func tuneAccepted(conn net.Conn) {
	if tcp, ok := conn.(syscall.Conn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = tuneSocket(context.Background(), "", "", raw) // if it fails, keepalive ends a dead connection later
		}
	}
}

// unreachable gives err one of this package's sentinels.
func unreachable(address string, err error) error {
	if errors.Is(err, errNotSaved) {
		return err
	}
	if told := (*RemoteError)(nil); refusesUs(err) || errors.As(err, &told) {
		return fmt.Errorf("connect to the peer at %s: %w", address, err)
	}
	return fmt.Errorf("%w (%s: %w)", ErrUnreachable, address, err)
}

// dialPeer connects to the pinned peer, at the address that answers first. A refusal at one
// address is a better error than silence at another.
func (l *Link) dialPeer(ctx context.Context) (*authenticated, error) {
	peer := l.vault.read().Peer
	if peer == nil {
		return nil, ErrNotPaired
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn *authenticated
		err  error
	}
	outcomes := make(chan outcome, len(peer.Addresses))
	for i, address := range peer.Addresses {
		go func() {
			conn, err := l.dialLater(ctx, time.Duration(i)*stagger, address, peer.Pin)
			outcomes <- outcome{conn, err}
		}()
	}
	var winner *authenticated
	failure := fmt.Errorf("%w (no address of it is known)", ErrUnreachable)
	for i := range peer.Addresses { // waits for all of them
		got := <-outcomes
		switch {
		case got.err == nil && winner == nil:
			winner = got.conn
			cancel()
		case got.err == nil:
			_ = got.conn.Close()
		case i == 0 || refusesUs(got.err):
			failure = got.err
		}
	}
	if winner != nil {
		return winner, nil
	}
	return nil, failure
}

func (l *Link) dialLater(ctx context.Context, wait time.Duration, address, pin string) (*authenticated, error) {
	select {
	case <-ctx.Done():
		return nil, unreachable(address, ctx.Err())
	case <-time.After(wait):
		freshNeighbor(address)
		return l.dial(ctx, address, pin, purposeLink)
	}
}

// ipOf is the address of the other end of a connection.
func ipOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
