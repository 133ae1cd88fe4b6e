package lab

import (
	"fmt"
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

// Heal ends every Silence, Partition, OneWay and Loss. Cables stay as they are.
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
// kernel is gone with all addresses and connections; its directory stays.
func (l *Lab) PowerCut(h *Host) (time.Time, error) {
	if !h.On() {
		return time.Time{}, fmt.Errorf("cut the power of %s: %w", h.name, ErrOff)
	}
	at := time.Now()
	if err := l.sw.setPort(h.name, 0); err != nil {
		return at, err
	}
	h.end()
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

// Pause stops every process on the host where it stands (SIGSTOP), as a hung or
// suspended machine does. Its kernel goes on.
func (l *Lab) Pause(h *Host) (time.Time, error) { return h.signalAll(unix.SIGSTOP) }

// Resume ends Pause (SIGCONT).
func (l *Lab) Resume(h *Host) (time.Time, error) { return h.signalAll(unix.SIGCONT) }
