package agent

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// room is two agents on one simulated link.
type room struct {
	t    *testing.T
	side map[pair.ApplianceID]*side
	way  way // by which clients are moved
	mu   sync.Mutex
	down bool                      // the link between the two
	off  map[pair.ApplianceID]bool // without power, or cut off

	every time.Duration // between two automatic data syncs
}

const (
	alpha = pair.ApplianceID("alpha")
	beta  = pair.ApplianceID("beta")

	timeout   = 2 * time.Second
	syncEvery = 3 * time.Second
)

type side struct {
	agent   *Agent
	disk    *disk
	data    *files
	door    *door
	history *events

	programs *programs
	stop     context.CancelFunc
	ended    chan struct{}
}

// eachWay plays a test for every way of moving clients, in virtual time.
func eachWay(t *testing.T, play func(*room)) {
	t.Helper()
	for name, make := range map[string]func(*room) way{"address": newLink, "record": newZone} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(newRoom(t, make)) })
		})
	}
}

func newRoom(t *testing.T, make func(*room) way) *room {
	t.Helper()
	r := &room{t: t, side: map[pair.ApplianceID]*side{}, off: map[pair.ApplianceID]bool{}, every: syncEvery}
	r.way = make(r)
	t.Cleanup(func() {
		for id := range r.side {
			r.stop(id)
		}
	})
	return r
}

// pairUp starts alpha as the primary of epoch 1 and beta as its backup, and
// waits until both are steady and beta has a snapshot.
func (r *room) pairUp() {
	epoch := pair.Epoch{Counter: 1, Holder: alpha}
	record := pair.Record{Role: pair.Primary, Epoch: epoch, Lineage: pair.Lineage{}.Begin(epoch, 0)}
	r.start(alpha, beta, record)
	record.Role = pair.Backup
	r.start(beta, alpha, record)
	time.Sleep(3 * timeout)
	r.expect(alpha, pair.Primary, pair.Steady)
	r.expect(beta, pair.Backup, pair.Steady)
	r.expectOwner(alpha)
}

func (r *room) start(id, peer pair.ApplianceID, record pair.Record) {
	began := time.Now()
	s := &side{disk: &disk{}, data: &files{}, door: &door{}, history: &events{}, programs: newPrograms(), ended: make(chan struct{})}
	s.data.offer = func(snapshot pair.Snapshot) {
		r.mu.Lock()
		other := r.side[peer]
		r.mu.Unlock()
		if other != nil {
			_ = other.agent.DataOffered(r.t.Context(), snapshot) // it ends with the test
		}
	}
	s.agent = New(Options{
		Config: failover.Config{
			Self: id, PairID: "pair", Version: "1", Timeout: timeout, Poll: timeout / 10, TestIPs: 1,
			SharedIP: true, BackupOperations: true, AutomaticFailover: true,
		},
		Record: record, Store: s.disk, Mover: r.way.mover(id), Evidence: r.way.evidence(id),
		Peer: &cable{room: r, from: id, to: peer}, Door: s.door, Services: s.programs, Data: s.data, History: s.history,
		Log: quiet(), Wall: time.Now,
		Clock:    func() failover.Instant { return failover.Instant(time.Hour + time.Since(began)) },
		Schedule: func(after time.Time) time.Time { return after.Add(r.every) },
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	s.stop = cancel
	r.mu.Lock()
	r.side[id] = s
	r.mu.Unlock()
	go func() {
		defer close(s.ended)
		_ = s.agent.Run(ctx) // it returns nil
	}()
}

func (r *room) stop(id pair.ApplianceID) {
	s := r.side[id]
	s.stop()
	<-s.ended
}

func (r *room) do(f func(context.Context)) { go f(r.t.Context()) }

func (r *room) powerOffAlpha() {
	r.cutOff(alpha)
	r.way.powerOff(alpha)
}

// cutOff has an appliance reach nobody any more.
func (r *room) cutOff(id pair.ApplianceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off[id] = true
}

func (r *room) cut(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *room) connected() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down && len(r.off) == 0
}

func (r *room) expect(id pair.ApplianceID, role pair.Role, phases ...pair.Phase) {
	r.t.Helper()
	s := r.side[id].agent.Decision().State
	if s.Record.Role != role || !slices.Contains(phases, s.Phase) {
		r.t.Errorf("%s is %s, want %s %v", id, s.Place(), role, phases)
	}
}

func (r *room) expectOwner(id pair.ApplianceID) {
	r.t.Helper()
	var want []pair.ApplianceID
	if id != "" {
		want = append(want, id)
	}
	if owners := r.way.owners(); !slices.Equal(owners, want) {
		r.t.Errorf("clients go to %v, want %v", owners, want)
	}
}

func (r *room) expectCondition(id pair.ApplianceID, condition string) {
	r.t.Helper()
	found := r.side[id].agent.Conditions()
	if !slices.ContainsFunc(found, func(c pair.Condition) bool { return c.ID == condition && !c.Since.IsZero() }) {
		r.t.Errorf("%s has not raised %s but %+v", id, condition, found)
	}
}
