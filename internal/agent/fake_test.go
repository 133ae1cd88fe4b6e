package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// disk keeps the record, fails or hangs.
type disk struct {
	mu     sync.Mutex
	err    error
	held   chan struct{}
	record pair.Record
}

func (d *disk) SaveRecord(_ context.Context, record pair.Record) error {
	d.mu.Lock()
	held, err := d.held, d.err
	d.mu.Unlock()
	if held != nil {
		<-held
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record = record
	return nil
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *disk) hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = make(chan struct{})
}

func (d *disk) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.held)
	d.held = nil
}

// cable brings one agent's questions to the other.
type cable struct {
	room     *room
	from, to pair.ApplianceID
	mu       sync.Mutex
	seq, ack uint64
}

var errSilent = errors.New("no answer")

func (c *cable) peer(ctx context.Context) (*Agent, error) {
	c.room.mu.Lock()
	side := c.room.side[c.to]
	c.room.mu.Unlock()
	if side == nil || !c.room.connected() {
		<-ctx.Done()
		return nil, errSilent
	}
	return side.agent, nil
}

func (c *cable) Poll(ctx context.Context, view pair.View) (pair.View, error) {
	peer, err := c.peer(ctx)
	if err != nil {
		return pair.View{}, err
	}
	c.mu.Lock()
	c.seq++
	seq, ack := c.seq, c.ack
	c.mu.Unlock()
	answer, err := peer.Polled(ctx, seq, ack, view)
	if err == nil {
		c.mu.Lock()
		c.ack = seq
		c.mu.Unlock()
	}
	return answer, err
}

func (c *cable) Failure(error) pair.PollFailure { return pair.NoAnswer }
func (c *cable) Refused() error                 { return nil }

func (c *cable) Hold(ctx context.Context, epoch pair.Epoch) error {
	return c.ask(ctx, failover.HoldAsked{Epoch: epoch})
}

func (c *cable) EndHold(ctx context.Context) error {
	peer, err := c.peer(ctx)
	if err == nil {
		peer.Tell(failover.HoldEnded{})
	}
	return err
}

func (c *cable) Commit(ctx context.Context, ask failover.CommitAsked) error { return c.ask(ctx, ask) }

func (c *cable) Release(ctx context.Context, epoch pair.Epoch) error {
	return c.ask(ctx, failover.ReleaseAsked{Epoch: epoch})
}

func (c *cable) ask(ctx context.Context, question failover.Event) error {
	peer, err := c.peer(ctx)
	if err != nil {
		return err
	}
	return peer.Asked(ctx, question)
}

func (c *cable) Take(ctx context.Context, become failover.BecomePrimary) error {
	peer, err := c.peer(ctx)
	if err != nil {
		return err
	}
	return peer.Do(ctx, become)
}

// door tells how far it is open, and has requests that run.
type door struct {
	mu   sync.Mutex
	now  string
	runs time.Duration // how long the requests take that run when it holds
}

func (d *door) Open()  { d.move("open") }
func (d *door) Close() { d.move("closed") }

func (d *door) OpenToPeer() { d.move("open to the peer") }

func (d *door) Forward(context.Context) error {
	d.move("forwarding")
	return nil
}

var errStillRuns = errors.New("1 request still runs")

func (d *door) Hold(ctx context.Context) error {
	d.mu.Lock()
	runs := d.runs
	if ctx.Err() == nil {
		d.now = "holding"
	}
	d.mu.Unlock()
	select {
	case <-time.After(runs):
		return nil
	case <-ctx.Done():
		return errStillRuns
	}
}

func (d *door) run(runs time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs = runs
}

func (d *door) Dismiss(context.Context) { d.move("dismissing") }

func (d *door) move(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = to
}

func (d *door) is() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// files counts the snapshots that it pulls.
type files struct {
	mu      sync.Mutex
	made    []Pull
	err     error
	lag     time.Duration
	torn    bool
	changes chan struct{} // of which the backup hears; nil: it does not
	// offer has the primary know of the snapshot that it offers.
	offer func(pair.Snapshot)
}

func (f *files) Open(context.Context) error                         { return nil }
func (f *files) OpenForced(context.Context) error                   { return nil }
func (f *files) Offer(pair.Epoch)                                   {}
func (f *files) Withdraw()                                          {}
func (f *files) SetAside(context.Context, pair.Epoch, uint64) error { return nil }

func (f *files) Torn() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.torn
}

func (f *files) tear(torn bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.torn = torn
}

func (f *files) Pull(ctx context.Context, pull Pull) (Pulled, error) {
	f.mu.Lock()
	lag, err := f.lag, f.err
	f.made = append(f.made, pull)
	number := uint64(len(f.made))
	f.mu.Unlock()
	select {
	case <-ctx.Done():
		return Pulled{}, ctx.Err()
	case <-time.After(lag):
	}
	snapshot := pair.Snapshot{Number: number, Epoch: pull.Epoch, TakenAt: time.Now().UnixMilli()}
	if f.offer != nil {
		f.offer(snapshot)
	}
	return Pulled{Snapshot: snapshot, Files: 1}, err
}

// Await tells of changes that the test makes, if there can be any.
func (f *files) Await(ctx context.Context, epoch pair.Epoch, wait time.Duration) (Awaited, error) {
	f.mu.Lock()
	changes, number := f.changes, uint64(len(f.made))
	f.mu.Unlock()
	if changes == nil {
		return Awaited{}, nil
	}
	select {
	case <-ctx.Done():
		return Awaited{}, ctx.Err()
	case <-changes:
		return Awaited{Follows: true}, nil
	case <-time.After(wait):
		return Awaited{Follows: true, Same: true, Snapshot: pair.Snapshot{Number: number, Epoch: epoch, TakenAt: time.Now().UnixMilli()}}, nil
	}
}

// tell has the primary tell of changes.
func (f *files) tell(changes chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = changes
}

func (f *files) pulls() []Pull {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Pull(nil), f.made...)
}

func (f *files) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *files) slow(lag time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lag = lag
}

// events keeps the history.
type events struct {
	mu   sync.Mutex
	kept []pair.Event
}

func (e *events) Record(event pair.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, event)
}

func (e *events) kinds() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	kinds := make([]string, len(e.kept))
	for i, event := range e.kept {
		kinds[i] = event.Kind
	}
	return kinds
}

func (e *events) texts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	texts := make([]string, len(e.kept))
	for i, event := range e.kept {
		texts[i] = event.Text
	}
	return texts
}
