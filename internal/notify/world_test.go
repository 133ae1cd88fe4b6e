package notify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/pair"
)

// past is the history as two appliances share it, merged at once unless apart.
type past struct {
	mu     sync.Mutex
	events map[pair.ApplianceID][]pair.Event
}

func newPast() *past { return &past{events: map[pair.ApplianceID][]pair.Event{}} }

func (p *past) record(by pair.ApplianceID, event pair.Event) pair.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	event = of(by, len(p.events[by])+1, event)
	p.events[by] = append(p.events[by], event)
	return event
}

// machine is one appliance around a Notifier: its disk, its network, its role.
type machine struct {
	t    *testing.T
	self pair.ApplianceID
	past *past

	mu        sync.Mutex
	settings  pair.Notifications
	situation Situation
	apart     bool // the peer's events do not come
	disk      []byte
	fullAfter int // saves that still work; negative: without end
	largest   int // bytes of the largest outbox
	saves     int
	down      map[string]error // channels that fail
	hang      map[string]bool  // channels that never answer
	told      []delivery
	attempts  map[string][]time.Time

	notifier *Notifier
	stop     func()
}

type delivery struct {
	channel string
	at      time.Time
	notice  Notice
}

func newMachine(t *testing.T, id pair.ApplianceID, history *past) *machine {
	t.Helper()
	settings := pair.DefaultNotifications()
	settings.Mail.Enabled = true
	m := &machine{
		t: t, self: id, past: history, settings: settings, fullAfter: -1,
		situation: Situation{Self: id, Name: string(id[:1]), Role: pair.Primary, PairID: "pair", Zone: time.UTC},
		down:      map[string]error{}, hang: map[string]bool{}, attempts: map[string][]time.Time{},
	}
	m.start()
	return m
}

// start runs the daemon on what the disk holds.
func (m *machine) start() {
	m.notifier = New(Options{
		History: m, Store: m, Courier: m, Log: quiet(),
		Settings: func(context.Context) (pair.Notifications, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.settings, nil
		},
		Situation: func(context.Context) Situation { m.mu.Lock(); defer m.mu.Unlock(); return m.situation },
		Report:    func(context.Context) (Daily, error) { return Daily{Since: time.Now().Add(-24 * time.Hour)}, nil },
		Next:      nextDay,
		Record:    func(event pair.Event) { m.past.record(m.self, event) },
	})
	ctx, cancel := context.WithCancel(m.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.notifier.Run(ctx) // it never fails
	}()
	m.stop = func() { cancel(); <-ended }
	synctest.Wait()
}

// nextDay is a schedule in UTC, where every day has 24 hours.
func nextDay(at pair.TimeOfDay, after time.Time) time.Time {
	day := after.UTC().Truncate(24 * time.Hour).Add(time.Duration(at.Hour)*time.Hour + time.Duration(at.Minute)*time.Minute)
	for !day.After(after) {
		day = day.Add(24 * time.Hour)
	}
	return day
}

// crash ends the daemon so that nothing more reaches the disk.
func (m *machine) crash() {
	m.mu.Lock()
	m.fullAfter = 0
	m.mu.Unlock()
	m.stop()
	m.mu.Lock()
	m.fullAfter = -1
	m.mu.Unlock()
}

func (m *machine) Heads(context.Context) (map[pair.ApplianceID]int64, error) {
	m.past.mu.Lock()
	defer m.past.mu.Unlock()
	heads := map[pair.ApplianceID]int64{}
	for id, events := range m.past.events {
		heads[id] = int64(len(events))
	}
	return heads, nil
}

func (m *machine) After(_ context.Context, heads map[pair.ApplianceID]int64, limit int) ([]pair.Event, error) {
	m.mu.Lock()
	apart := m.apart
	m.mu.Unlock()
	m.past.mu.Lock()
	defer m.past.mu.Unlock()
	events := []pair.Event{}
	for _, id := range slices.Sorted(maps.Keys(m.past.events)) {
		if id == m.self || !apart {
			behind := m.past.events[id][min(heads[id], int64(len(m.past.events[id]))):]
			events = append(events, behind[:min(len(behind), limit-len(events))]...)
		}
	}
	return events, nil
}

func (m *machine) Read(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.disk), nil
}

func (m *machine) Save(_ context.Context, outbox []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fullAfter == 0 {
		return errors.New("the disk is full")
	}
	m.fullAfter--
	m.saves++
	m.disk, m.largest = slices.Clone(outbox), max(m.largest, len(outbox))
	return nil
}

func (m *machine) Send(ctx context.Context, _ pair.Notifications, channel string, notice Notice) error {
	m.mu.Lock()
	m.attempts[channel] = append(m.attempts[channel], time.Now())
	hang, err := m.hang[channel], m.down[channel]
	m.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, delivery{channel, time.Now(), notice})
	return nil
}

func (m *machine) set(edit func(*machine)) {
	m.mu.Lock()
	edit(m)
	m.mu.Unlock()
	m.notifier.Wake()
	synctest.Wait()
}

// note records an event and lets the notifier know.
func (m *machine) note(event pair.Event) pair.Event {
	event = m.past.record(m.self, event)
	m.notifier.Wake()
	return event
}

// deliveries are what was told so far.
func (m *machine) deliveries() []delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told)
}

// tried tells when a channel was tried.
func (m *machine) tried(channel string) []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.attempts[channel])
}

// most is the size of the largest outbox, in bytes.
func (m *machine) most() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.largest
}

// texts are what was told, one line an item: "mail takeover x2".
func (m *machine) texts() (lines []string) {
	for _, d := range m.deliveries() {
		parts := []string{d.channel}
		if d.notice.Kind != KindEvents {
			parts = append(parts, string(d.notice.Kind))
		}
		for _, item := range d.notice.Items {
			text := item.Event.Text
			if item.Times != 1 {
				text += " x" + strconv.Itoa(item.Times)
			}
			parts = append(parts, text)
		}
		lines = append(lines, strings.Join(parts, " | "))
	}
	return lines
}

func (m *machine) want(lines ...string) {
	m.t.Helper()
	if got := m.texts(); !slices.Equal(got, lines) {
		m.t.Errorf("%s told\n    %s\nwant\n    %s", m.situation.Name, strings.Join(got, "\n    "), strings.Join(lines, "\n    "))
	}
}

func event(kind, text string) pair.Event { return pair.Event{Kind: kind, Text: text} }

func wait(d time.Duration) { time.Sleep(d); synctest.Wait() }
