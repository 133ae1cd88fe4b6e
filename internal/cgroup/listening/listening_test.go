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

func TestAPortIsTaken(t *testing.T) {
	type row struct {
		network, address string
		wanted           func(port string) string
		taken            bool
	}
	for _, c := range []row{
		{"tcp4", "127.0.0.1:0", func(p string) string { return "tcp 127.0.0.1:" + p }, true},
		{"tcp4", "127.0.0.1:0", func(p string) string { return "tcp 0.0.0.0:" + p }, true},
		{"tcp4", "127.0.0.1:0", func(p string) string { return "tcp *:" + p }, true},
		{"tcp4", "127.0.0.1:0", func(p string) string { return "tcp 127.0.0.2:" + p }, false},
		{"tcp4", "127.0.0.1:0", func(p string) string { return "tcp [::]:" + p }, false}, // of one that takes IPv6 alone
		{"tcp4", "127.0.0.1:0", func(p string) string { return "udp 127.0.0.1:" + p }, false},
		{"tcp4", "127.0.0.1:0", func(string) string { return "tcp 127.0.0.1:1" }, false},
		{"tcp", ":0", func(p string) string { return "tcp 127.0.0.1:" + p }, true},
		{"tcp6", "[::1]:0", func(p string) string { return "tcp [::]:" + p }, true},
		{"tcp6", "[::1]:0", func(p string) string { return "tcp 0.0.0.0:" + p }, false},
		{"udp4", "127.0.0.1:0", func(p string) string { return "udp 0.0.0.0:" + p }, true},
	} {
		closer, at := open(t, c.network, c.address)
		wanted := c.wanted(at[strings.LastIndexByte(at, ':')+1:])
		taken, err := Taken([]string{wanted})
		if err != nil || len(taken) == 1 != c.taken {
			t.Errorf("%s is open at %s, and of %s is taken %v (%v)", c.network, at, wanted, taken, err)
		}
		closer()
	}
}

// One that takes both kinds of addresses is told as ss tells it.
func TestASocketForBothKindsOfAddresses(t *testing.T) {
	closer, at := open(t, "tcp", ":0")
	defer closer()
	port := at[strings.LastIndexByte(at, ':'):]
	found, err := matching(func(s Socket) bool { return strings.HasSuffix(s.String(), port) })
	if err != nil || len(found) != 1 || found[0].String() != "tcp *"+port {
		t.Errorf("%v, %v", found, err)
	}
}
