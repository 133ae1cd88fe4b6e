package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// programs are the services of one appliance: web, which runs on the primary alone, and
// db, which leads there and follows on the backup.
type programs struct {
	mu      sync.Mutex
	starts  time.Duration // how long each takes to start
	stops   time.Duration // and to stop
	broken  string        // the one that does not start
	stuck   string        // the one that does not stop
	duties  map[string]pair.Duty
	callers int // calls of Set under way
}

func (p *programs) StopLimit() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return 2 * p.stops
}

func newPrograms() *programs { return &programs{duties: map[string]pair.Duty{}} }

func (p *programs) Set(ctx context.Context, duty pair.Duty) error {
	defer p.enter()()
	for _, name := range []string{"db", "web"} {
		own := duty
		if name == "web" && duty == pair.Follow {
			own = pair.Rest
		}
		if err := p.set(ctx, name, own); err != nil {
			return err
		}
	}
	return nil
}

// enter checks that calls come one after the other.
func (p *programs) enter() (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.callers++; p.callers > 1 {
		panic("two calls of Set at once")
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.callers--
	}
}

func (p *programs) set(ctx context.Context, name string, duty pair.Duty) error {
	p.mu.Lock()
	takes, broken, now := p.starts, p.broken == name && duty != pair.Rest, p.duties[name]
	stuck := p.stuck == name && duty == pair.Rest
	if duty == pair.Rest {
		takes = p.stops
	}
	p.mu.Unlock()
	if now == duty {
		return nil
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return fmt.Errorf("%s was interrupted: %w", name, ctx.Err())
	}
	if broken {
		return errors.New(name + " did not start: it ended with code 1")
	}
	if stuck {
		return errors.New(name + " did not stop: it ignores signals")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.duties[name] = duty
	return nil
}

func (p *programs) change(change func(*programs)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// does says what a service does.
func (p *programs) does(name string) pair.Duty {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.duties[name]
}

func (r *room) expectDuties(id pair.ApplianceID, web, db pair.Duty) {
	r.t.Helper()
	p := r.side[id].programs
	if p.does("web") != web || p.does("db") != db {
		r.t.Errorf("on %s, web does %s and db %s, want %s and %s", id, p.does("web"), p.does("db"), web, db)
	}
}

func TestServicesRunOnBothSides(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.expectDuties(alpha, pair.Lead, pair.Lead)
		room.expectDuties(beta, pair.Rest, pair.Follow)
		if err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(timeout)
		room.expectDuties(beta, pair.Lead, pair.Lead)
		room.expectDuties(alpha, pair.Rest, pair.Follow)
		room.stop(alpha)
		room.expectDuties(alpha, pair.Rest, pair.Rest)
	})
}

// A start that waits for minutes ends at once when the services are to stop.
func TestAStartThatWaitsIsInterrupted(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].programs.change(func(p *programs) { p.starts = 10 * time.Minute })
		room.powerOffAlpha()
		time.Sleep(timeout + timeout/4)
		room.expect(beta, pair.Primary, pair.Claiming)
		room.expectOwner("")
		room.cutOff(beta)
		time.Sleep(timeout)
		room.expect(beta, pair.Primary, pair.Isolated)
		if room.side[beta].agent.Decision().State.Stopping {
			t.Error("the services wait for a start that nobody wants any more")
		}
		room.expectDuties(beta, pair.Rest, pair.Rest)
	})
}

// The newest duty wins, also over one that has just begun.
func TestTheNewestDutyWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrograms()
		p.starts, p.stops = time.Minute, time.Second
		d := newDuties(p)
		var outcomes []string
		ctx, stop := context.WithCancel(t.Context())
		go d.run(ctx, func(_ uint64, duty pair.Duty, err error) { outcomes = append(outcomes, fmt.Sprint(duty, err)) })
		for _, duty := range []pair.Duty{pair.Follow, pair.Lead, pair.Rest, pair.Lead} {
			d.want(duty)
			time.Sleep(30 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if want := []string{"rest <nil>", "lead <nil>"}; !slices.Equal(outcomes, want) {
			t.Errorf("outcomes %q, want %q", outcomes, want)
		}
		stop()
		<-d.ended
	})
}

// hung does not return, whatever happens.
type hung struct{ until chan struct{} }

func (h hung) Set(context.Context, pair.Duty) error { <-h.until; return nil }
func (h hung) StopLimit() time.Duration             { return 0 }

// However often something else is wanted of services that hang, nobody waits.
func TestWantingADutyNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hung{until: make(chan struct{})}
		d := newDuties(h)
		ctx, stop := context.WithCancel(t.Context())
		reports := 0
		go d.run(ctx, func(uint64, pair.Duty, error) { reports++ })
		began := time.Now()
		for range 1000 {
			d.want(pair.Lead)
			d.want(pair.Rest)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
		synctest.Wait()
		close(h.until)
		synctest.Wait()
		if reports != 1 {
			t.Errorf("%d outcomes were reported, want that of the newest", reports)
		}
		stop()
		<-d.ended
	})
}

// The loop of a primary whose services hang answers its peer all the same.
func TestServicesThatHangHoldNobodyUp(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].programs.change(func(p *programs) { p.starts = 10 * time.Minute })
		room.side[alpha].programs.change(func(p *programs) { p.starts, p.stops = 10*time.Minute, 10*time.Minute })
		room.cut(true)
		time.Sleep(3 * timeout)
		room.cut(false)
		time.Sleep(timeout)
		for _, id := range []pair.ApplianceID{alpha, beta} {
			if s := room.side[id].agent.Decision().State; !s.PeerHeard.Set || s.Now.Sub(s.PeerHeard.At) > timeout {
				t.Errorf("%s has not heard its peer", id)
			}
		}
	})
}

// Whoever reads that a service failed reads which, and why.
func TestAServiceThatFailsIsNamed(t *testing.T) {
	const why = "web did not start: it ended with code 1"
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].programs.change(func(p *programs) { p.broken = "web" })
		room.powerOffAlpha()
		time.Sleep(2*timeout + time.Millisecond) // not the instant at which it is tried again
		found := room.side[beta].agent.Conditions()
		if !slices.ContainsFunc(found, func(c pair.Condition) bool {
			return c.ID == "services-failed" && c.Reason == why && strings.Contains(c.Text, " The reason: "+why+".")
		}) {
			t.Errorf("the conditions do not say %q: %+v", why, found)
		}
		if texts := room.side[beta].history.texts(); !slices.ContainsFunc(texts, func(text string) bool { return strings.HasSuffix(text, "tried again: "+why+".") }) {
			t.Errorf("the history does not say %q: %q", why, texts)
		}
		time.Sleep(4 * timeout)
		for _, c := range room.side[beta].agent.Conditions() {
			if c.ID == "not-serving" && !strings.Contains(c.Text, "does not serve the site. A service did not start. The reason: "+why+".") {
				t.Errorf("%s does not name what keeps the site closed", c.Text)
			}
		}
		room.expectCondition(beta, "not-serving")
		room.side[beta].programs.change(func(p *programs) { p.broken = "" })
		time.Sleep(32 * time.Second) // the longest pause between two tries
		room.expectDuties(beta, pair.Lead, pair.Lead)
		room.expectOwner(beta)
	})
}

// A backup whose services cannot follow says so, and tries again.
func TestABackupWhoseServicesFailTriesAgain(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[alpha].programs.change(func(p *programs) { p.broken = "db" })
		if err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(timeout)
		room.expectCondition(alpha, "services-failed")
		room.side[alpha].programs.change(func(p *programs) { p.broken = "" })
		time.Sleep(32 * time.Second) // the longest pause between two tries
		room.expectDuties(alpha, pair.Rest, pair.Follow)
		if slices.ContainsFunc(room.side[alpha].agent.Conditions(), func(c pair.Condition) bool { return c.ID == "services-failed" }) {
			t.Error("the condition stays")
		}
	})
}
