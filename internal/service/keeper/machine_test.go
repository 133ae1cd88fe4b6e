package keeper

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/health"
	"baton/internal/pair"
	"baton/internal/service"
)

// machine is where services run in a test.
type machine struct {
	mu         sync.Mutex
	acts       []string // what was started and stopped, in order
	runs       map[string]bool
	refuses    map[string]error // to start, or to stop after "stop "
	slow       map[string]time.Duration
	answers    map[string]error // to checks
	unread     error            // the list cannot be read
	unseen     error            // nothing tells how a service is
	list       service.List
	idle       bool
	sickThere  bool
	checkLasts time.Duration
	orders     []int                // how many services the machine was to stop after Baton
	restarts   int                  // by the machine itself, of each
	down       bool                 // what runs is not up
	ran        time.Time            // here, of every service; zero: they are no timers
	atBoot     AtBoot               // of each
	stopsEarly bool                 // likewise
	there      []pair.ServiceStatus // on the peer
	denied     map[string]string
	hindered   map[string]string
	lines      []string // run as checks
	tries      int      // of checks
	events     []pair.Event
	stored     Tallies
}

func newMachine(names ...string) *machine {
	m := &machine{runs: map[string]bool{}, refuses: map[string]error{}, slow: map[string]time.Duration{}, answers: map[string]error{}, denied: map[string]string{}}
	for _, name := range names {
		m.list = append(m.list, service.Definition{Name: name, Unit: service.UnitName(name + ".service"), Check: pair.HealthCheck{TCP: name + ":80"}})
	}
	return m
}

func (m *machine) keeper() *Keeper {
	return New(Options{
		Name:        "alpha",
		Tallies:     func() Tallies { m.mu.Lock(); defer m.mu.Unlock(); return m.stored },
		SaveTallies: func(all Tallies) error { m.mu.Lock(); defer m.mu.Unlock(); m.stored = all; return nil },
		List: func(context.Context) (service.List, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return slices.Clone(m.list), m.unread
		},
		MayStop: func(s service.Definition) bool { m.mu.Lock(); defer m.mu.Unlock(); return m.denied[s.Name] == "" },
		Refused: func(s service.Definition) string { m.mu.Lock(); defer m.mu.Unlock(); return m.denied[s.Name] },
		Runner:  func(s service.Definition) Runner { return program{m, s.Name} },
		Order: func(_ context.Context, list service.List) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.orders = append(m.orders, len(list))
			return nil
		},
		Probe: func(ctx context.Context, check pair.HealthCheck, _ health.Answer, _ time.Duration) error {
			m.mu.Lock()
			lasts := m.checkLasts
			m.mu.Unlock()
			select {
			case <-time.After(lasts):
			case <-ctx.Done():
				return ctx.Err()
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.tries++
			return m.answers[strings.TrimSuffix(check.TCP, ":80")]
		},
		Peer:      func() []pair.ServiceStatus { m.mu.Lock(); defer m.mu.Unlock(); return slices.Clone(m.there) },
		SickThere: func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.sickThere },
		Idle:      func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.idle },
		Record: func(event pair.Event) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.events = append(m.events, event)
		},
		Wall: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

func (m *machine) with(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *machine) did() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.acts, ", ")
}

// told is what the history has, a line each.
func (m *machine) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	for _, event := range m.events {
		lines = append(lines, event.Kind+": "+event.Text)
	}
	return strings.Join(lines, "\n")
}

type program struct {
	on   *machine
	name string
}

func (p program) act(ctx context.Context, act string, runs bool) error {
	p.on.mu.Lock()
	lasts := p.on.slow[act+" "+p.name]
	p.on.mu.Unlock()
	select {
	case <-time.After(lasts):
	case <-ctx.Done():
		return ctx.Err()
	}
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	if runs || p.on.runs[p.name] {
		p.on.acts = append(p.on.acts, act+" "+p.name)
	}
	if err := p.on.refuses[act+" "+p.name]; err != nil {
		return err
	}
	p.on.runs[p.name] = runs
	return nil
}

func (p program) Start(ctx context.Context) error { return p.act(ctx, "start", true) }
func (p program) Stop(ctx context.Context) error  { return p.act(ctx, "stop", false) }

func (p program) State(context.Context) (State, error) {
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	if p.on.unseen != nil {
		return State{}, p.on.unseen
	}
	return State{
		Runs: p.on.runs[p.name], Up: p.on.runs[p.name] && !p.on.down, Hindered: p.on.hindered[p.name], Restarts: p.on.restarts, StopLimit: 10 * time.Second,
		Persistent: !p.on.ran.IsZero(), Ran: p.on.ran, AtBoot: p.on.atBoot, StopsEarly: p.on.stopsEarly,
	}, nil
}

func (p program) SetRan(ran time.Time) error {
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	p.on.ran = ran
	return nil
}

func (p program) Try(_ context.Context, line string, _ time.Duration) error {
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	p.on.lines = append(p.on.lines, line)
	p.on.tries++
	return p.on.answers[line]
}

// bubble is a keeper in a test whose time is its own.
type bubble struct {
	*Keeper
	t *testing.T
}

func (k bubble) sick() error {
	sick, _ := k.Verdict()
	return sick
}

// each runs a test in a bubble, with a keeper that looks.
func each(t *testing.T, m *machine, test func(k bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := m.keeper()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = k.Run(ctx) }()
		test(bubble{k, t})
		cancel()
		<-ended
	})
}

func holds(k bubble, id string) bool {
	return slices.ContainsFunc(k.Conditions(), func(c pair.Condition) bool { return c.ID == id })
}
