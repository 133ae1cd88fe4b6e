package sharedip

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// claim is the announcement schedule of one address that we put on.
type claim struct {
	begun    time.Time
	sent     int       // announcements of the schedule so far
	answer   time.Time // when to answer a foreign announcement; zero: none to answer
	answered time.Time // when one was last answered
}

// Announcements are repeated, because a frame may be lost and a switch or router
// may ignore what it hears too early; slowly for ever, because a partition may
// heal unseen.
const (
	repeatEvery = 30 * time.Second
	answerEvery = time.Second           // foreign announcements are answered at most so often
	answerAfter = 10 * time.Millisecond // and so much later, past the last of a burst
)

// initial lists when, after a claim, to announce.
func initial() []time.Duration {
	const second = time.Second
	return []time.Duration{0, second / 5, second, 2 * second, 4 * second, 8 * second, 16 * second}
}

// due returns when the next announcement is to be sent.
func (c *claim) due() time.Time {
	steps := initial()
	last := len(steps) - 1
	if c.sent <= last {
		return c.begun.Add(steps[c.sent])
	}
	return c.begun.Add(steps[last] + time.Duration(c.sent-last)*repeatEvery)
}

// settled reports whether only the slow repetition is left.
func (c *claim) settled() bool { return c.sent >= len(initial()) }

// advance marks everything due by now as sent: after a stall nothing is made up for.
func (c *claim) advance(now time.Time) {
	for !c.due().After(now) {
		c.sent++
	}
}

// settle leaves only the slow repetition.
func (c *claim) settle() { c.sent = max(c.sent, len(initial())) }

// contest has a foreign announcement answered, now or as soon as the last answer
// is long enough ago.
func (c *claim) contest(now time.Time) {
	if !c.answer.IsZero() {
		return
	}
	c.answer = now.Add(answerAfter)
	if earliest := c.answered.Add(answerEvery); c.answer.Before(earliest) {
		c.answer = earliest
	}
}

// next returns when the claim wants attention: to announce or to answer.
func (c *claim) next() time.Time {
	if due := c.due(); c.answer.IsZero() || due.Before(c.answer) {
		return due
	}
	return c.answer
}

// attend notes that what is due by now is done with, and reports whether an
// announcement has to be sent for it.
func (c *claim) attend(now time.Time, quiet bool) (send bool) {
	if !c.due().After(now) {
		send = !c.settled() || !quiet
		c.advance(now)
	}
	if !c.answer.IsZero() && !c.answer.After(now) {
		send = send || !quiet
		c.answer, c.answered = time.Time{}, now
	}
	return send
}

// Announce begins the announcement schedule of these addresses anew, with one
// announcement at once: after a partition has healed, say. Addresses that are not
// held stay unannounced.
func (h *Host) Announce(ips []pair.SharedIP) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, err := h.kernel.survey(h.managed)
	if err != nil {
		h.log.Warn("shared IP not announced", slog.Any("error", err))
		return
	}
	for _, ip := range ips {
		if h.claims[ip] != nil && h.stillHolds(found, ip) {
			h.begin(found.links[ip.Interface], ip)
		}
	}
}

// PauseAnnouncements suspends (true) or resumes (false) the slow repetition and the answers
// to foreign announcements: a primary that hears no peer may have lost the
// address without knowing, and must not teach it to the network again. For the
// same reason it ends the schedule of claims that it has held while not quiet; a
// claim made since, as by a takeover, keeps its own. It waits for nobody: Run does it.
func (h *Host) PauseAnnouncements(quiet bool) {
	switch before := h.quiet.Swap(quiet); {
	case !quiet:
		h.loud.Store(time.Now().UnixNano())
	case !before:
		h.settling.Store(h.loud.Load())
		h.reschedule()
	}
}

// settleOld leaves only the slow repetition of claims that the newest pause concerns. The
// mutex is held.
func (h *Host) settleOld() {
	before := h.settling.Swap(0)
	for _, c := range h.claims {
		if c.begun.UnixNano() < before {
			c.settle()
		}
	}
}

// AnnounceTo names machines, beside the default gateways, whose neighbour caches must
// learn the shared IPs: test IPs, say. Those on the link are addressed with each
// announcement.
func (h *Host) AnnounceTo(targets []netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taught = slices.Clone(targets)
}

// begin announces ip now and starts its schedule. The mutex is held.
func (h *Host) begin(link netlink.Link, ip pair.SharedIP) {
	now := time.Now()
	c := &claim{begun: now}
	h.claims[ip] = c
	h.announce(link, ip)
	c.advance(now)
	h.reschedule()
}

// reschedule has Run look at the schedule anew.
func (h *Host) reschedule() {
	select {
	case h.wake <- struct{}{}:
	default: // it will
	}
}

// announceDue sends what the schedule wants by now and returns when it wants to
// be called again; the zero time if never.
func (h *Host) announceDue(now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settleOld()
	var due []pair.SharedIP
	for ip, c := range h.claims {
		if c.attend(now, h.quiet.Load()) {
			due = append(due, ip)
		}
	}
	h.announceHeld(due)
	for _, c := range h.claims {
		if at := c.next(); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// announceHeld announces those of ips that the kernel still has. The mutex is held.
func (h *Host) announceHeld(ips []pair.SharedIP) {
	if len(ips) == 0 {
		return
	}
	found, err := h.kernel.survey(h.managed)
	if err != nil {
		h.log.Warn("shared IP not announced", slog.Any("error", err))
		return
	}
	for _, ip := range ips {
		if h.stillHolds(found, ip) {
			h.announce(found.links[ip.Interface], ip)
		}
	}
}

// stillHolds forgets the claim of an address that the kernel no longer has: its
// lease ran out, and somebody else may own it by now. The mutex is held.
func (h *Host) stillHolds(found survey, ip pair.SharedIP) bool {
	if found.holds(ip) {
		return true
	}
	delete(h.claims, ip)
	h.log.Warn("shared IP gone from its interface", slog.String("shared_ip", ip.String()))
	return false
}

// announce sends one round of announcements. The mutex is held.
func (h *Host) announce(link netlink.Link, ip pair.SharedIP) {
	p, err := h.port(link)
	if err == nil {
		err = sendAll(p, h.announcements(link, p.mac, ip.Address))
	}
	if err == nil {
		h.log.Debug("shared IP announced", slog.String("shared_ip", ip.String()))
		return
	}
	h.log.Warn("shared IP not announced", slog.String("shared_ip", ip.String()), slog.Any("error", err))
	// ENOBUFS: the traffic lease had just run out; the schedule repeats it.
	if p != nil && !errors.Is(err, unix.ENETDOWN) && !errors.Is(err, unix.ENOBUFS) {
		p.close()
		delete(h.ports, ip.Interface)
	}
}

func sendAll(p *port, frames [][]byte) error {
	for _, frame := range frames {
		if err := p.send(frame); err != nil {
			return err
		}
	}
	return nil
}

// announcements renders one round: for everybody, then a question from the
// shared IP to each machine that must know it even if it did not ask yet.
func (h *Host) announcements(link netlink.Link, mac MAC, address netip.Prefix) [][]byte {
	ip := address.Addr()
	targets := gateways(link, ip)
	for _, target := range h.taught {
		if address.Contains(target) && target != ip && !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	if ip.Is4() {
		frames := arpAnnouncements(mac, ip)
		for _, target := range targets {
			frames = append(frames, arpQuestion(mac, ip, target))
		}
		return frames
	}
	flags := byte(flagOverride)
	if forwards(link.Attrs().Name) {
		flags |= flagRouter
	}
	frames := [][]byte{advertisement(mac, ip, flags)}
	for _, target := range targets {
		frames = append(frames, solicitation(mac, ip, target))
	}
	return frames
}

// port returns the socket to send through, a new one if the interface was made
// anew or has another MAC. The mutex is held.
func (h *Host) port(link netlink.Link) (*port, error) {
	attrs := link.Attrs()
	mac, _ := macOf(attrs.HardwareAddr)
	if p := h.ports[attrs.Name]; p != nil {
		if p.index == attrs.Index && p.mac == mac {
			return p, nil
		}
		p.close()
		delete(h.ports, attrs.Name)
	}
	p, err := openPort(link, sendOnly, nil)
	if err == nil {
		h.ports[attrs.Name] = p
	}
	return p, err
}
