package peer

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers for every name with one address, on a socket of its own.
type nameServer struct {
	conn   net.PacketConn
	answer atomic.Pointer[netip.Addr] // nil: it is silent
	failed atomic.Bool                // it answers that it cannot
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &nameServer{conn: conn}
	go s.serve()
	return s
}

func (s *nameServer) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var asked dnsmessage.Message
		at := s.answer.Load()
		if asked.Unpack(buffer[:n]) != nil || len(asked.Questions) != 1 || at == nil && !s.failed.Load() {
			continue
		}
		said := dnsmessage.Message{Header: dnsmessage.Header{ID: asked.ID, Response: true}, Questions: asked.Questions}
		if s.failed.Load() {
			said.RCode = dnsmessage.RCodeServerFailure
		} else if asked.Questions[0].Type == dnsmessage.TypeA {
			said.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: asked.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: at.As4()},
			}}
		}
		if packed, err := said.Pack(); err == nil {
			_, _ = s.conn.WriteTo(packed, from)
		}
	}
}

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// TestTheLastAddressThatWorkedServesWhileNamesAreLost has the name server of a
// machine fail, or be silent, while its peer is looked for anew.
func TestTheLastAddressThatWorkedServesWhileNamesAreLost(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for name, lose := range map[string]func(*nameServer){
		"silent": func(s *nameServer) { s.answer.Store(nil) },
		"failed": func(s *nameServer) { s.failed.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			names := newNameServer(t)
			names.answer.Store(&loopback)
			beta := newAppliance(t, "beta", rightKey)
			alpha := &appliance{keeper: &memory{secrets: Secrets{Key: stretched()[rightKey]}}, dir: t.TempDir(), hello: Hello{Name: "alpha"}, names: names.resolver()}
			alpha.start(t, "127.0.0.1:0")
			if _, err := alpha.Pairing.Pair(t.Context(), "beta.test.:"+strconv.Itoa(beta.port), PairRequest{}); err != nil {
				t.Fatal(err)
			}
			if err := alpha.poll(t, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if lost, is := alpha.Way.Unresolved(); is {
				t.Errorf("names are lost before they are: %+v", lost)
			}
			lose(names)
			alpha.stop()
			alpha.start(t, "127.0.0.1:0") // another daemon, which knows what was stored
			began := time.Now()
			if err := alpha.poll(t, 10*time.Second); err != nil {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the peer was found after %s", took)
			}
			eventually(t, "it is told", func() bool {
				lost, is := alpha.Way.Unresolved()
				return is && lost.Name == "beta.test." && lost.Used == beta.address
			})
			names.answer.Store(&loopback)
			names.failed.Store(false)
			alpha.Way.lookUpNames(t.Context())
			if lost, is := alpha.Way.Unresolved(); is {
				t.Errorf("names are lost still: %+v", lost)
			}
		})
	}
}

// TestANameIsForgottenWithItsPeer breaks a relationship between two looks at its names.
func TestANameIsForgottenWithItsPeer(t *testing.T) {
	alpha, _ := pairOf(t)
	if err := alpha.vault.change(func(s *Secrets) error { s.Peer.Addresses = []string{"beta.test:443"}; return nil }); err != nil {
		t.Fatal(err)
	}
	alpha.Way.unresolved.Store(&Unresolved{Name: "beta.test"})
	if _, is := alpha.Way.Unresolved(); !is {
		t.Fatal("not told while paired")
	}
	if err := alpha.Pairing.forget("The relationship was broken here.", nil); err != nil {
		t.Fatal(err)
	}
	if lost, is := alpha.Way.Unresolved(); is {
		t.Errorf("told of a peer that is none any more: %+v", lost)
	}
}

// TestAnAddressThatMovedIsFoundAlthoughNamesAreSlow: the last one that worked is no
// more than a guess.
func TestAnAddressThatMovedIsFoundAlthoughNamesAreSlow(t *testing.T) {
	alpha, beta := pairOf(t)
	alpha.stop()
	names := newNameServer(t)
	alpha.names = names.resolver()
	address := "beta.test.:" + strconv.Itoa(beta.port)
	alpha.keeper.secrets.Peer.Addresses = []string{address}
	alpha.keeper.secrets.Peer.Reached = map[string]string{address: "192.0.2.1:443"} // nobody
	alpha.start(t, "127.0.0.1:0")
	time.AfterFunc(500*time.Millisecond, func() { names.answer.Store(new(netip.MustParseAddr("127.0.0.1"))) })
	eventually(t, "the peer is found", func() bool { return alpha.poll(t, time.Second) == nil })
	eventually(t, "the new address is remembered", func() bool {
		peer, _ := alpha.Paired()
		return peer.Reached[address] == beta.address
	})
}
