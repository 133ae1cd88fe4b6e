package keeper

import (
	"log/slog"
	"maps"
	"sync"

	"baton/internal/pair"
	"baton/internal/service"
)

// Tally is what a service did on this machine, over all runs of the daemon.
type Tally struct {
	Runs      string           `json:"runs"` // sum of what it runs: another service under its name begins anew
	LastStart *pair.ServiceAct `json:"last_start,omitempty"`
	LastStop  *pair.ServiceAct `json:"last_stop,omitempty"`
	Restarts  int64            `json:"restarts,omitempty"` // how often it ended by itself and was started again
}

// Tallies has that of each service, by its name.
type Tallies map[string]Tally

// newTally is that of a service which has done nothing.
func newTally(of service.Definition) Tally { return Tally{Runs: of.Bare().Sum()} }

// tallies keeps them on the disk. A disk that hangs keeps nobody else waiting.
type tallies struct {
	keeper *Keeper

	mu      sync.Mutex
	read    bool
	stored  Tallies // as on the disk, or as being written
	writing bool
	all     sync.WaitGroup
}

// earlier returns what the run before has stored, once.
func (t *tallies) earlier() Tallies {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.read {
		return nil
	}
	t.read, t.stored = true, t.keeper.opt.Tallies()
	return t.stored
}

// now are those of the services that the keeper has.
func (t *tallies) now() Tallies {
	t.keeper.mu.Lock()
	defer t.keeper.mu.Unlock()
	now := Tallies{}
	for _, s := range t.keeper.known {
		s.mu.Lock()
		now[s.service.Name] = s.tally
		s.mu.Unlock()
	}
	return now
}

// store has what has changed stored, and does not wait.
func (t *tallies) store() {
	now, opt := t.now(), t.keeper.opt
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.writing || !t.read || maps.Equal(now, t.stored) { // its acts are replaced, and not changed
		return
	}
	t.stored, t.writing = now, true
	t.all.Go(func() {
		if err := opt.SaveTallies(now); err != nil {
			opt.Log.Warn("when services were started and stopped is not stored", slog.String("error", err.Error()))
		}
		t.mu.Lock()
		t.writing = false
		t.mu.Unlock()
	})
}

// Close stores what the services did last.
func (k *Keeper) Close() {
	k.tallies.all.Wait()
	k.tallies.store()
	k.tallies.all.Wait()
}
