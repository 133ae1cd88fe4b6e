package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Every fault returns the instant right before the kernel was told, so that an
// outage measured from it is never shorter than the real one.

// CutCable pulls the host's cable: the host sees no carrier.
func (l *Lab) CutCable(h *Host) (time.Time, error) {
	at := time.Now()
	return at, l.sw.setPort(h.name, 0)
}

// PlugCable puts the host's cable back.
func (l *Lab) PlugCable(h *Host) (time.Time, error) {
	at := time.Now()
	return at, l.sw.setPort(h.name, unix.IFF_UP)
}

// Silence drops every frame from and to the host; its carrier stays.
func (l *Lab) Silence(h *Host) (time.Time, error) {
	return l.drop(drop{from: h.name, percent: 100}, drop{to: h.name, percent: 100})
}

// Unsilence ends Silence.
func (l *Lab) Unsilence(h *Host) (time.Time, error) {
	return l.undrop(func(d drop) bool {
		return d == drop{from: h.name, percent: 100} || d == drop{to: h.name, percent: 100}
	})
}

// Partition drops every frame between the two hosts; all others hear both.
func (l *Lab) Partition(a, b *Host) (time.Time, error) {
	return l.drop(drop{from: a.name, to: b.name, percent: 100}, drop{from: b.name, to: a.name, percent: 100})
}

// Reconnect ends what Partition, OneWay and LosePolls did between the two hosts.
func (l *Lab) Reconnect(a, b *Host) (time.Time, error) {
	return l.undrop(func(d drop) bool {
		return d.from == a.name && d.to == b.name || d.from == b.name && d.to == a.name
	})
}

// LosePolls drops every TCP segment between the two hosts, as a firewall would:
// neither hears the other's daemon, but everything else passes, ARP and pings included.
func (l *Lab) LosePolls(a, b *Host) (time.Time, error) {
	return l.drop(drop{from: a.name, to: b.name, percent: 100, tcp: true}, drop{from: b.name, to: a.name, percent: 100, tcp: true})
}

// LoseLarge drops every frame between the two hosts that carries more than so many
// bytes, and tells nobody, as a tunnel with a smaller MTU and a filter that lets no
// ICMP through would. Neither host hands its interface several segments at a time
// any more: here they would pass, or be lost, as one frame.
func (l *Lab) LoseLarge(a, b *Host, bytes uint32) (time.Time, error) {
	for _, h := range []*Host{a, b} {
		if err := h.singleSegments(); err != nil {
			return time.Time{}, err
		}
	}
	return l.drop(drop{from: a.name, to: b.name, percent: 100, larger: bytes}, drop{from: b.name, to: a.name, percent: 100, larger: bytes})
}

// OneWay drops every frame that goes from one host to the other, not those back.
func (l *Lab) OneWay(from, to *Host) (time.Time, error) {
	return l.drop(drop{from: from.name, to: to.name, percent: 100})
}

// Loss drops that share of the frames from and to the host, at random, each way
// by itself; 0 ends it.
func (l *Lab) Loss(h *Host, percent int) (time.Time, error) {
	if percent < 0 || percent > 99 {
		return time.Time{}, fmt.Errorf("%d percent loss: use 0 to 99, or Silence", percent)
	}
	at, err := l.undrop(func(d drop) bool { return d.percent < 100 && (d.from == h.name || d.to == h.name) })
	if err != nil || percent == 0 {
		return at, err
	}
	return l.drop(drop{from: h.name, percent: uint32(percent)}, drop{to: h.name, percent: uint32(percent)})
}

// Delay holds up every frame from and to the host for a time, each way by itself,
// without a change of their order; 0 ends it. What is under way is lost when it
// begins and when it ends.
func (l *Lab) Delay(h *Host, by time.Duration) (time.Time, error) {
	at := time.Now()
	return at, l.sw.delay(h.name, by)
}

// Heal ends every Silence, Partition, LosePolls, OneWay and Loss. Cables stay as they are.
func (l *Lab) Heal() (time.Time, error) { return l.undrop(func(drop) bool { return true }) }

func (l *Lab) drop(drops ...drop) (time.Time, error) {
	at := time.Now()
	return at, l.sw.change(func(now []drop) []drop {
		for _, d := range drops {
			if !slices.Contains(now, d) {
				now = append(now, d)
			}
		}
		return now
	})
}

func (l *Lab) undrop(ends func(drop) bool) (time.Time, error) {
	at := time.Now()
	return at, l.sw.change(func(now []drop) []drop { return slices.DeleteFunc(now, ends) })
}

// PowerCut takes the host's power: its cable goes dead and in the same instant
// everything on it is killed, without a last frame reaching the switch. Its
// kernel is gone with all addresses and connections; its directory stays, but a
// disk of its own (HostSpec.Disk) loses what was not made durable.
func (l *Lab) PowerCut(h *Host) (time.Time, error) {
	if !h.On() {
		return time.Time{}, fmt.Errorf("cut the power of %s: %w", h.name, ErrOff)
	}
	at := time.Now()
	if err := l.sw.setPort(h.name, 0); err != nil {
		return at, err
	}
	if h.disk != nil {
		if err := h.disk.cut(); err != nil {
			return at, err
		}
	}
	if err := h.end(); err != nil {
		return at, err
	}
	return at, l.sw.removePort(h.name)
}

// PowerOn starts the host anew, with its cable plugged; nothing runs on it yet.
func (l *Lab) PowerOn(h *Host) (time.Time, error) {
	if h.On() {
		return time.Time{}, fmt.Errorf("%s is switched on already", h.name)
	}
	at := time.Now()
	return at, h.boot(l.sw)
}

// Fill takes all the room that is left on the host's own disk (HostSpec.Disk).
func (l *Lab) Fill(h *Host) (time.Time, error) {
	if h.disk == nil || !h.On() {
		return time.Time{}, fmt.Errorf("fill the disk of %s: it has none of its own, or no power", h.name)
	}
	at := time.Now()
	return at, h.disk.fill()
}

// Drain gives back what Fill took.
func (l *Lab) Drain(h *Host) (time.Time, error) {
	if h.disk == nil || !h.On() {
		return time.Time{}, fmt.Errorf("drain the disk of %s: it has none of its own, or no power", h.name)
	}
	at := time.Now()
	return at, h.disk.drain()
}

// FlushAddress takes an address off the host's interface without the
// program that put it there; one that is not there is no error.
func (l *Lab) FlushAddress(h *Host, ip netip.Addr) (time.Time, error) {
	ns, err := h.namespace()
	if err != nil {
		return time.Time{}, err
	}
	at := time.Now()
	return at, ns.flushAddress(ip)
}

// FlushRules removes every rule of the host's packet filter, as nft flush ruleset does.
func (l *Lab) FlushRules(h *Host) (time.Time, error) {
	ns, err := h.namespace()
	if err != nil {
		return time.Time{}, err
	}
	at := time.Now()
	return at, ns.flushRules()
}

// Pause stops every process on the host where it stands (SIGSTOP), as a hung or
// suspended machine does. Its kernel goes on.
func (l *Lab) Pause(h *Host) (time.Time, error) { return h.signalAll(unix.SIGSTOP) }

// Resume ends Pause (SIGCONT).
func (l *Lab) Resume(h *Host) (time.Time, error) { return h.signalAll(unix.SIGCONT) }

// singleSegments has the host's interface take one segment at a time.
func (h *Host) singleSegments() error {
	ns, err := h.namespace()
	if err != nil {
		return err
	}
	link, err := ns.links.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("find the interface of %s: %w", h.name, err)
	}
	if err := ns.links.LinkSetGSOMaxSegs(link, 1); err != nil {
		return fmt.Errorf("bound the segments of %s: %w", h.name, err)
	}
	return nil
}
