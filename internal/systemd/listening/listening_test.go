package listening

import (
	"net"
	"strings"
	"testing"
)

func TestASocketIsOpenUntilItIsClosed(t *testing.T) {
	for _, c := range []struct{ network, address string }{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}, {"udp4", "127.0.0.1:0"}} {
		t.Run(c.network, func(t *testing.T) {
			closer, address := open(t, c.network, c.address)
			found, err := matching(func(s Socket) bool {
				return s.Address.String() == address && strings.HasPrefix(c.network, s.Protocol)
			})
			if err != nil || len(found) != 1 || found[0].cookie == 0 || found[0].cgroup == 0 {
				t.Fatalf("%+v, %v", found, err)
			}
			if still, err := Open(found); err != nil || len(still) != 1 {
				t.Errorf("%+v, %v", still, err)
			}
			closer()
			if still, err := Open(found); err != nil || len(still) != 0 {
				t.Errorf("closed, it is told to be open: %+v, %v", still, err)
			}
		})
	}
}

func open(t *testing.T, network, address string) (closer func(), at string) {
	t.Helper()
	if strings.HasPrefix(network, "udp") {
		conn, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return func() { _ = conn.Close() }, conn.LocalAddr().String()
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = listener.Close() }, listener.Addr().String()
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, answerLen+12))
	f.Fuzz(func(_ *testing.T, answer []byte) { parse("tcp", answer) })
}
