package sharedip

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"baton/internal/pair"
)

func TestAnnouncementsFollowTheSchedule(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	c := &claim{begun: begun}
	for i, ms := range []int64{0, 200, 1000, 2000, 4000, 8000, 16000, 46000, 76000} {
		if got := c.due().Sub(begun); got.Milliseconds() != ms {
			t.Errorf("announcement %d at %s, want %d ms", i, got, ms)
		}
		if settled := i >= 7; c.settled() != settled {
			t.Errorf("announcement %d: settled %t", i, c.settled())
		}
		c.advance(c.due())
	}
	c.advance(begun.Add(time.Hour)) // a stall
	if got := c.due().Sub(begun); got <= time.Hour || got > time.Hour+repeatEvery {
		t.Errorf("after a stall of an hour the next is at %s", got)
	}
}

func TestForeignAnnouncementsAreAnsweredAtMostOnceASecond(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	c := &claim{begun: now.Add(-17 * time.Second)}
	c.advance(now)
	c.contest(now)
	c.contest(now)
	if c.attend(now, false) {
		t.Error("answered before a burst can be over")
	}
	now = now.Add(answerAfter)
	if !c.attend(now, false) || c.attend(now, false) {
		t.Error("not answered just once")
	}
	c.contest(now.Add(time.Millisecond))
	if got := c.next().Sub(now); got != answerEvery {
		t.Errorf("next answer after %s, want %s", got, answerEvery)
	}
	if c.attend(now.Add(answerEvery), true) {
		t.Error("answered although quiet")
	}
}

func TestScheduleRunsAfterAClaim(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, client := l.station(), l.station()
		h := a.host(ip)
		h.PauseAnnouncements(true) // does not concern the schedule of a claim
		a.run(h, Events{})
		p := client.hear(ip.Address.Addr())
		a.set(h, 0, ip)
		rounds := 3 // at 0, 0.2 and 1 s
		frames := rounds
		if ip.Address.Addr().Is4() {
			frames = 2 * rounds // request and reply
		}
		if got := heard(t, p, ip.Address.Addr(), 1500*time.Millisecond, frames); len(got) != frames {
			t.Errorf("%d announcements heard, want %d", len(got), frames)
		}
	})
}

func TestNothingIsAnnouncedOnceTheLeaseHasRunOut(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, client := l.station(), l.station()
		h := a.host(ip)
		a.set(h, time.Second, ip)
		eventually(t, 3*time.Second, "the lease ends", func() bool { return len(held(a, h)) == 0 })
		p := client.hear(ip.Address.Addr())
		a.run(h, Events{}) // as after a stall: the schedule is overdue
		a.do(func() error { h.Announce([]pair.SharedIP{ip}); return nil })
		if got := heard(t, p, ip.Address.Addr(), 300*time.Millisecond, 1); len(got) != 0 {
			t.Errorf("%v announced an address that is not there", got)
		}
	})
}

func TestAnnounceBeginsTheScheduleAnewAtOnce(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		client := l.station()
		a, h := l.owner(ip)
		p := client.hear(ip.Address.Addr())
		a.do(func() error { h.Announce([]pair.SharedIP{ip}); return nil })
		if got := heard(t, p, ip.Address.Addr(), time.Second, 1); len(got) != 1 {
			t.Error("nothing announced")
		}
	})
}

// The loop of the agent pauses announcements when its peer falls silent, and the kernel may
// keep a renewal of the addresses waiting then, since another program changes an interface.
func TestAPauseWaitsForNobody(t *testing.T) {
	t.Parallel()
	h := New(nil, slog.New(slog.DiscardHandler))
	h.mu.Lock() // by a renewal that waits
	defer h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.PauseAnnouncements(false)
		h.PauseAnnouncements(true)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the pause waits for the renewal")
	}
}

// settle makes all claims of a host old: only the slow repetition is left.
func settle(h *Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settling.Store(time.Now().UnixNano())
	h.settleOld()
}

func TestLinkUpIsAnnounced(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		client := l.station()
		a, h := l.owner(ip)
		settle(h)
		a.run(h, Events{})
		p := client.hear(ip.Address.Addr())
		time.Sleep(20 * time.Millisecond) // Run has looked at the link once
		a.plug(false)
		time.Sleep(50 * time.Millisecond)
		a.plug(true)
		begun := time.Now()
		if got := heard(t, p, ip.Address.Addr(), 1500*time.Millisecond, 1); len(got) != 1 {
			t.Fatal("nothing announced after the cable came back")
		}
		t.Logf("announced %s after the cable came back", time.Since(begun))
	})
}

// foreign is where a test gets the owners that Run reports.
func foreign() (chan Owner, Events) {
	owners := make(chan Owner, 100)
	return owners, Events{Foreign: func(o Owner) { owners <- o }}
}

// claimAs has a station say that it owns ip, without owning it.
func (s *station) claimAs(ip netip.Addr) {
	s.t.Helper()
	p := s.hear(ip)
	frames := [][]byte{advertisement(s.mac, ip, flagOverride)}
	if ip.Is4() {
		frames = arpAnnouncements(s.mac, ip)
	}
	if err := sendAll(p, frames); err != nil {
		s.t.Fatal(err)
	}
}

// claimUntilReported does so until a host that runs, perhaps only since now, reports it.
func (s *station) claimUntilReported(ip netip.Addr, owners <-chan Owner) (got Owner) {
	s.t.Helper()
	eventually(s.t, 4*time.Second, "a foreign owner is reported", func() bool {
		s.claimAs(ip)
		select {
		case got = <-owners:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	return got
}

func TestForeignOwnerIsReportedAndAnswered(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		b, client := l.station(), l.station()
		a, h := l.owner(ip)
		settle(h)
		addr := ip.Address.Addr()
		owners, events := foreign()
		a.run(h, events)
		client.talk(addr)
		eventually(t, 5*time.Second, "the client learns the owner", func() bool { return client.neighbour(addr) == a.mac })
		if got, want := b.claimUntilReported(addr, owners), (Owner{addr, b.mac}); got != want {
			t.Errorf("reported %s, want %s", got, want)
		}
		b.claimAs(addr)
		eventually(t, 10*answerEvery, "the answer wins the client back", func() bool { return client.neighbour(addr) == a.mac })
		if len(owners) != 0 {
			t.Errorf("reported %d times more within a second", len(owners))
		}
	})
}

// A primary that loses its peer right after a claim may have lost the address as
// well: what is left of its schedule would take the client away from a new owner.
func TestScheduleEndsWhenTheHostBecomesQuiet(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, client := l.station(), l.station()
	ip := ip4(t)
	h := a.host(ip)
	a.run(h, Events{})
	a.set(h, 0, ip)
	h.PauseAnnouncements(false)
	h.PauseAnnouncements(true)
	p := client.hear(ip.Address.Addr())
	if got := heard(t, p, ip.Address.Addr(), 1200*time.Millisecond, 1); len(got) > 0 {
		t.Errorf("%d announcements heard, want none", len(got))
	}
}

func TestQuietPrimaryReportsAForeignOwnerButDoesNotAnswer(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		b, client := l.station(), l.station()
		a, h := l.owner(ip)
		h.PauseAnnouncements(true)
		settle(h)
		addr := ip.Address.Addr()
		owners, events := foreign()
		a.run(h, events)
		p := client.hear(addr)
		b.claimUntilReported(addr, owners)
		for _, mac := range heard(t, p, addr, 300*time.Millisecond, 100) {
			if mac == a.mac {
				t.Error("answered although quiet")
			}
		}
	})
}

func TestReplacedInterfaceIsWatchedAgain(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.station(), l.station()
	h := a.host(ip4(t))
	owners, events := foreign()
	a.run(h, events)
	l.replug(a)
	eventually(t, 5*time.Second, "the address can be claimed again", func() bool {
		var err error
		a.do(func() error { err = h.Set(t.Context(), []pair.SharedIP{ip4(t)}, 0); return nil })
		return err == nil
	})
	b.claimUntilReported(ip4(t).Address.Addr(), owners)
}

// An appliance that does not hold the address hears who has it, and who is about to.
func TestOwnerAndProberElsewhereAreReported(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, b := l.station(), l.station()
		ha, hb := a.host(ip), b.host(ip)
		owners, probers := make(chan Owner, 100), make(chan Owner, 100)
		told := func(to chan Owner) func(Owner) {
			return func(o Owner) {
				select {
				case to <- o:
				default:
				}
			}
		}
		a.run(ha, Events{Elsewhere: told(owners), Probed: told(probers)})
		want := Owner{ip.Address.Addr(), b.mac}
		eventually(t, 10*time.Second, "the probe is reported", func() bool {
			_, _, err := b.probe(hb, 40*time.Millisecond, ip)
			return err == nil && len(probers) > 0
		})
		if got := <-probers; got != want || len(owners) != 0 {
			t.Errorf("probed by %s, want %s; %d owners", got, want, len(owners))
		}
		b.set(hb, 0, ip)
		eventually(t, 10*time.Second, "the owner is reported", func() bool {
			b.claimAs(ip.Address.Addr())
			return len(owners) > 0
		})
		if got := <-owners; got != want {
			t.Errorf("owner %s, want %s", got, want)
		}
	})
}

func TestUnclaimedAddressHasNoForeignOwner(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.station(), l.station()
	h := a.host(ip4(t))
	owners, events := foreign()
	a.run(h, events)
	time.Sleep(50 * time.Millisecond)
	b.claimAs(ip4(t).Address.Addr())
	time.Sleep(100 * time.Millisecond)
	if len(owners) != 0 {
		t.Errorf("reported %s", <-owners)
	}
}
