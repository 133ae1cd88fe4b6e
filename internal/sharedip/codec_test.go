package sharedip

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

func station1() MAC { return MAC{0x02, 0, 0x5e, 0x10, 0, 1} }
func station2() MAC { return MAC{0x02, 0, 0x5e, 0x10, 0, 2} }

// unhex reads bytes written in groups.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFramesAreThese(t *testing.T) {
	t.Parallel()
	four, gateway4 := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("198.51.100.254")
	six, gateway6 := netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8::fe")
	gratuitous := arpAnnouncements(station1(), four)
	tests := []struct {
		name  string
		frame []byte
		want  string
	}{
		{
			"gratuitous request", gratuitous[0],
			"ffffffffffff 02005e100001 0806 0001 0800 06 04 0001 02005e100001 c633640a 000000000000 c633640a",
		},
		{
			"gratuitous reply", gratuitous[1],
			"ffffffffffff 02005e100001 0806 0001 0800 06 04 0002 02005e100001 c633640a 02005e100001 c633640a",
		},
		{
			"ARP probe", arpQuestion(station1(), netip.IPv4Unspecified(), four),
			"ffffffffffff 02005e100001 0806 0001 0800 06 04 0001 02005e100001 00000000 000000000000 c633640a",
		},
		{
			"unsolicited advertisement of a router", advertisement(station1(), six, flagOverride|flagRouter),
			`333300000001 02005e100001 86dd 6000 0000 0020 3a ff
			20010db8000000000000000000000010 ff020000000000000000000000000001
			88 00 1afc a0000000 20010db8000000000000000000000010 02 01 02005e100001`,
		},
		{
			"solicitation as a probe", solicitation(station1(), netip.IPv6Unspecified(), six),
			`3333ff000010 02005e100001 86dd 6000 0000 0018 3a ff
			00000000000000000000000000000000 ff0200000000000000000001ff000010
			87 00 4ccf 00000000 20010db8000000000000000000000010`,
		},
		{
			"solicitation that teaches", solicitation(station1(), six, gateway6),
			`3333ff0000fe 02005e100001 86dd 6000 0000 0020 3a ff
			20010db8000000000000000000000010 ff0200000000000000000001ff0000fe
			87 00 bc0f 00000000 20010db80000000000000000000000fe 01 01 02005e100001`,
		},
		{
			"echo", echo{srcMAC: station1(), dstMAC: station2(), src: four, dst: gateway4, id: 0x1234}.frame(),
			`02005e100002 02005e100001 0800 45 00 002c 0000 0000 40 01 2562 c633640a c63364fe
			08 00 d4c1 1234 0001 6261746f6e206c6f737420636865636b`,
		},
	}
	for _, test := range tests {
		if want := unhex(t, test.want); !bytes.Equal(test.frame, want) {
			t.Errorf("%s:\n got %x\nwant %x", test.name, test.frame, want)
		}
	}
}

func TestOwnersAreReadFromFrames(t *testing.T) {
	t.Parallel()
	four, six := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::10")
	good := advertisement(station1(), six, flagOverride)
	changed := func(frame []byte, at int, to byte) []byte {
		frame = bytes.Clone(frame)
		frame[at] = to
		return frame
	}
	padded := append(bytes.Clone(good), 0, 0, 0, 0, 0, 0, 0, 0)
	tests := []struct {
		name  string
		frame []byte
		want  netip.Addr // zero: nobody
	}{
		{"gratuitous request", arpAnnouncements(station1(), four)[0], four},
		{"gratuitous reply", arpAnnouncements(station1(), four)[1], four},
		{"probe, which claims nothing", arpQuestion(station1(), netip.IPv4Unspecified(), four), netip.Addr{}},
		{"advertisement", good, six},
		{"advertisement, padded by the wire", padded, six},
		{"solicitation", solicitation(station1(), six, six), netip.Addr{}},
		{"wrong checksum", changed(good, len(good)-1, 9), netip.Addr{}},
		{"forwarded by a router", changed(good, etherSize+7, 254), netip.Addr{}},
		{"option longer than the message", fixed(changed(good, etherSize+ipv6Size+25, 2)), netip.Addr{}},
		{"option without a length", fixed(changed(good, etherSize+ipv6Size+25, 0)), netip.Addr{}},
		{"cut short", good[:60], netip.Addr{}},
		{"ARP cut short", arpAnnouncements(station1(), four)[0][:41], netip.Addr{}},
		{"ARP of another network", changed(arpAnnouncements(station1(), four)[0], 15, 6), netip.Addr{}},
		{"empty", nil, netip.Addr{}},
	}
	for _, test := range tests {
		got, ok := parseOwner(test.frame)
		if ok != test.want.IsValid() || ok && got != (Owner{test.want, station1()}) {
			t.Errorf("%s: %v, %t", test.name, got, ok)
		}
	}
}

// fixed puts the right checksum into an ICMPv6 frame.
func fixed(frame []byte) []byte {
	d := datagram{
		dstMAC: MAC(frame[0:6]), srcMAC: MAC(frame[6:12]),
		src: netip.AddrFrom16([16]byte(frame[22:38])), dst: netip.AddrFrom16([16]byte(frame[38:54])),
		hops: frame[21], message: frame[54:],
	}
	d.message[2], d.message[3] = 0, 0
	return d.frame()
}

func TestOnlyTheReplyToOurEchoCounts(t *testing.T) {
	t.Parallel()
	for _, ips := range [][2]string{{"198.51.100.10", "198.51.100.254"}, {"2001:db8::10", "2001:db8::fe"}} {
		ours := echo{
			srcMAC: station1(), dstMAC: station2(),
			src: netip.MustParseAddr(ips[0]), dst: netip.MustParseAddr(ips[1]), id: 7,
		}
		reply := func(change func(*echo)) []byte {
			back := echo{srcMAC: ours.dstMAC, dstMAC: ours.srcMAC, src: ours.dst, dst: ours.src, id: ours.id}
			change(&back)
			d, ok := parseDatagram(back.frame())
			if !ok {
				t.Fatal("own frame not understood")
			}
			d.message[0] = echoReply4
			if ours.dst.Is6() {
				d.message[0] = echoReply6
			}
			d.message[2], d.message[3] = 0, 0
			return d.frame()
		}
		if !ours.answeredBy(reply(func(*echo) {})) {
			t.Errorf("%s: reply not taken", ours.dst)
		}
		for name, change := range map[string]func(*echo){
			"another identifier":    func(e *echo) { e.id = 8 },
			"for another machine":   func(e *echo) { e.dstMAC = MAC{2, 9} },
			"for another address":   func(e *echo) { e.dst = ours.dst },
			"from another address":  func(e *echo) { e.src = ours.src },
			"from a broadcast echo": func(e *echo) { e.dstMAC = broadcast() },
		} {
			if ours.answeredBy(reply(change)) {
				t.Errorf("%s: took a reply %s", ours.dst, name)
			}
		}
		if ours.answeredBy(ours.frame()) {
			t.Errorf("%s: took the request for a reply", ours.dst)
		}
	}
}

func FuzzFrames(f *testing.F) {
	four, six := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::10")
	for _, frame := range arpAnnouncements(station1(), four) {
		f.Add(frame)
	}
	f.Add(arpQuestion(station1(), netip.IPv4Unspecified(), four))
	f.Add(advertisement(station1(), six, flagOverride))
	f.Add(solicitation(station1(), six, six))
	f.Add(echo{srcMAC: station1(), dstMAC: station2(), src: four, dst: four, id: 1}.frame())
	f.Add(echo{srcMAC: station1(), dstMAC: station2(), src: six, dst: six, id: 1}.frame())
	f.Fuzz(func(t *testing.T, frame []byte) {
		if owner, ok := parseOwner(frame); ok && !owner.IP.IsValid() {
			t.Errorf("owner of no address: %s", owner)
		}
		if a, ok := parseARP(frame); ok && !bytes.Equal(a.frame(MAC(frame[:6]))[etherSize:], frame[etherSize:etherSize+arpSize]) {
			t.Errorf("%+v does not render as it was read", a)
		}
		if found, _, ok := parseSearch(frame); ok && (!found.ip.IsValid() || !found.by.IsValid()) {
			t.Errorf("half a search: %+v", found)
		}
		_ = echo{srcMAC: station1(), dstMAC: station2(), src: four, dst: six, id: 1}.answeredBy(frame)
		if d, ok := parseDatagram(frame); ok && (!d.src.IsValid() || len(d.message) < 4) {
			t.Errorf("half a datagram: %+v", d)
		}
	})
}
