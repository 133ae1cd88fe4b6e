package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"baton/internal/pair"
)

// History is the history of both appliances.
type History interface {
	// Heads tells up to which number the history of each appliance is here.
	Heads(ctx context.Context) (map[pair.ApplianceID]int64, error)
	// After returns up to limit events behind these heads.
	After(ctx context.Context, heads map[pair.ApplianceID]int64, limit int) ([]pair.Event, error)
}

// Outbox keeps the queue of this appliance.
type Outbox interface {
	// Read returns what Save made durable last; nothing at first.
	Read(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, outbox []byte) error
}

// Courier makes one attempt to deliver a notice. Sender is one.
type Courier interface {
	Send(ctx context.Context, settings pair.Notifications, channel string, notice Notice) error
}

// Options are what a Notifier needs of the appliance.
type Options struct {
	History   History
	Store     Outbox
	Courier   Courier
	Settings  func(context.Context) (pair.Notifications, error)
	Situation func(context.Context) Situation
	Report    func(context.Context) (Daily, error)               // of the last 24 hours
	Next      func(at pair.TimeOfDay, after time.Time) time.Time // when it is that time in the site's zone
	Record    func(pair.Event)                                   // writes into the history
	Log       *slog.Logger
}

// How often it checks without a call of Wake.
const (
	lookEvery  = 15 * time.Second
	lookAgain  = 5 * time.Second // after a failure to read or to save
	pageOfOnce = 500             // events considered at once
)

// Notifier runs the queue of one appliance.
type Notifier struct {
	Options
	wake chan struct{}
	done chan outcome

	// of Run alone
	settings pair.Notifications
	outbox   *outbox
	loaded   bool            // the outbox is what a former run has left
	dirty    bool            // the outbox is ahead of what is saved
	busy     map[string]bool // channels with an attempt under way

	mu     sync.Mutex
	states []pair.ChannelState
	worked map[string]time.Time // channels that got a test through, not yet noted
}

// outcome is how an attempt ended.
type outcome struct {
	channel string
	notice  Notice
	err     error
}

// New returns a notifier that has not begun.
func New(options Options) *Notifier {
	return &Notifier{
		Options: options, wake: make(chan struct{}, 1), done: make(chan outcome, mostWebhooks+1),
		outbox: &outbox{}, busy: map[string]bool{}, worked: map[string]time.Time{},
	}
}

// Wake has it read the history and the settings now.
func (n *Notifier) Wake() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Run sends notices until ctx ends. No failure ends it: it says so in the log and tries
// again.
func (n *Notifier) Run(ctx context.Context) error {
	var attempts sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(n.turn(ctx, &attempts))
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-timer.C:
		case ended := <-n.done:
			n.settle(ctx, ended)
		}
	}
	attempts.Wait()
	n.end(ctx)
	return nil
}

// end notes what the last attempts came to, so that nothing is sent again.
func (n *Notifier) end(ctx context.Context) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for len(n.done) > 0 {
		n.settle(ctx, <-n.done)
	}
	if err := n.save(last); err != nil {
		n.Log.Warn("queue of notices not saved", slog.String("error", err.Error()))
	}
}

// turn looks, saves and starts attempts; it returns how long nothing else is to be
// done. Nothing is sent that is not saved: else it could be sent twice under two ids.
func (n *Notifier) turn(ctx context.Context, attempts *sync.WaitGroup) time.Duration {
	now := time.Now()
	err := n.refresh(ctx, now)
	if err == nil {
		err = n.save(ctx)
	}
	n.publish()
	if err != nil {
		if ctx.Err() == nil {
			n.Log.Error("notices wait", slog.String("error", err.Error()))
		}
		return lookAgain
	}
	n.start(ctx, now, attempts)
	next := n.outbox.next(n.busy)
	if next.IsZero() {
		return lookEvery
	}
	return min(max(next.Sub(now), 0), lookEvery)
}

// refresh brings the outbox up to the settings, the history and the time.
func (n *Notifier) refresh(ctx context.Context, now time.Time) error {
	if err := n.load(ctx); err != nil {
		return err
	}
	settings, err := n.Settings(ctx)
	if err != nil {
		return err
	}
	tells := tellsOf(settings)
	if len(tells) == 0 {
		n.dirty = n.dirty || !n.outbox.idle()
		n.outbox, n.settings = &outbox{}, settings
		return nil
	}
	heads, err := n.History.Heads(ctx)
	if err != nil {
		return err
	}
	situation := n.Situation(ctx)
	n.dirty = n.prepare(settings, tells, heads, situation, now) || n.dirty
	if err := n.read(ctx, tells, situation, now); err != nil {
		return err
	}
	next := func(after time.Time) time.Time { return n.Next(settings.DailyAt, after) }
	at := settings.DailyAt.String() + " " + situation.Zone.String()
	n.dirty = n.outbox.daily(at, next, tells, situation, now) || n.dirty
	n.dirty = n.outbox.seal(situation, now) || n.dirty
	return nil
}

// load reads what a former run has left, once.
func (n *Notifier) load(ctx context.Context) error {
	if n.loaded {
		return nil
	}
	text, err := n.Store.Read(ctx)
	if err != nil {
		return err
	}
	n.loaded = true
	if n.outbox, err = readOutbox(text); err != nil {
		n.Log.Error("queue of notices begun anew", slog.String("error", err.Error()))
		n.outbox, n.dirty = &outbox{}, true
	}
	return nil
}

// prepare follows a change of the settings, which may mend what failed.
func (n *Notifier) prepare(settings pair.Notifications, tells map[string]pair.Tell, heads map[pair.ApplianceID]int64, s Situation, now time.Time) (changed bool) {
	if n.outbox.idle() {
		n.outbox.begin(heads, now)
		changed = true
	}
	n.outbox.meet(heads, s.Self)
	changed = n.outbox.keepOnly(tells) || changed
	if !reflect.DeepEqual(settings, n.settings) {
		n.settings = settings
		for _, c := range n.outbox.Channels {
			c.hurry(now)
		}
		changed = true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, at := range n.worked {
		if c := n.outbox.Channels[id]; c != nil {
			c.works(at)
			changed = true
		}
	}
	clear(n.worked)
	return changed
}

// read considers what has been added to the history.
func (n *Notifier) read(ctx context.Context, tells map[string]pair.Tell, s Situation, now time.Time) error {
	for {
		events, err := n.History.After(ctx, n.outbox.Heads, pageOfOnce)
		if err != nil {
			return err
		}
		before := maps.Clone(n.outbox.Heads)
		n.dirty = n.outbox.take(events, tells, s, now) || n.dirty
		if len(events) < pageOfOnce || maps.Equal(before, n.outbox.Heads) {
			return nil
		}
		n.dirty = true // so much need not be considered again
	}
}

// tellsOf lists what the channels that are on are told.
func tellsOf(settings pair.Notifications) map[string]pair.Tell {
	tells := map[string]pair.Tell{}
	if settings.Mail.Enabled {
		tells[pair.MailChannel] = settings.Mail.Tell
	}
	for _, w := range settings.Webhooks {
		if w.Enabled {
			tells[w.ID] = w.Tell
		}
	}
	return tells
}

func (n *Notifier) save(ctx context.Context) error {
	if !n.dirty {
		return nil
	}
	text, err := json.Marshal(n.outbox)
	if err != nil {
		return err
	}
	if err := n.Store.Save(ctx, text); err != nil {
		return err
	}
	n.dirty = false
	return nil
}

// start begins an attempt on every channel that has one due.
func (n *Notifier) start(ctx context.Context, now time.Time, attempts *sync.WaitGroup) {
	for id, c := range n.outbox.Channels {
		if c.Sending == nil || n.busy[id] || c.Sending.Next.After(now) {
			continue
		}
		n.busy[id] = true
		notice := Notice{
			ID: c.Sending.ID, Kind: c.Sending.Kind, Time: c.Sending.Time,
			From: n.Situation(ctx), Items: slices.Clone(c.Sending.Items), Dropped: c.Sending.Dropped,
		}
		settings := n.settings
		attempts.Go(func() { n.done <- outcome{id, notice, n.attempt(ctx, settings, id, notice)} })
	}
}

func (n *Notifier) attempt(ctx context.Context, settings pair.Notifications, id string, notice Notice) (err error) {
	if notice.Kind == KindDaily {
		if notice.Daily, err = n.Report(ctx); err != nil {
			return fmt.Errorf("write the daily notice: %w", err)
		}
	}
	return n.Courier.Send(ctx, settings, id, notice)
}

// settle notes how an attempt ended. An attempt that was broken off because the daemon
// stopped does not count.
func (n *Notifier) settle(ctx context.Context, ended outcome) {
	delete(n.busy, ended.channel)
	c := n.outbox.Channels[ended.channel]
	if c == nil || c.Sending == nil || c.Sending.ID != ended.notice.ID || ended.err != nil && ctx.Err() != nil {
		return
	}
	n.dirty = true
	now := time.Now()
	if ended.err == nil {
		n.Log.Info("notified", slog.String("channel", ended.channel), slog.String("id", ended.notice.ID))
		c.delivered(now)
		n.tellPeer(ended)
		return
	}
	n.Log.Warn("notice not delivered", slog.String("channel", ended.channel), slog.String("error", ended.err.Error()))
	patience := giveUp
	if errors.Is(ended.err, errNotTaken) {
		patience = unwelcome
	}
	lost := c.failed(now, oneLine(ended.err.Error(), mostReason), patience)
	if lost == nil {
		return
	}
	n.Record(pair.Event{
		Kind:   pair.KindNotificationFailed,
		Text:   "A notice was given up after " + pair.DurationText(now.Sub(lost.First).Round(time.Hour)) + ": " + c.LastError,
		Detail: map[string]string{"channel": n.nameOf(ended.channel), "untold": strconv.Itoa(len(lost.Items))},
	})
}

// tellPeer writes into the history that a daily notice was sent, so that the peer,
// if it becomes the primary now, does not send it again.
func (n *Notifier) tellPeer(ended outcome) {
	if ended.notice.Kind != KindDaily || !ended.notice.Time.After(n.outbox.DailyTold) {
		return
	}
	n.outbox.DailyTold = ended.notice.Time
	n.Record(pair.Event{
		Kind: pair.KindDailyNotice, Text: "The daily notice was sent.",
		Detail: map[string]string{"due": ended.notice.Time.UTC().Format(time.RFC3339)},
	})
}

func (n *Notifier) nameOf(channel string) string {
	for _, w := range n.settings.Webhooks {
		if w.ID == channel {
			return w.Name
		}
	}
	return channel
}

// Test sends a test notice at once, beside the queue. Its error is a sentence for a
// person.
func (n *Notifier) Test(ctx context.Context, settings pair.Notifications, channel string) error {
	notice := Notice{ID: "test-" + strings.ToLower(rand.Text()), Kind: KindTest, Time: time.Now(), From: n.Situation(ctx)}
	if err := n.Courier.Send(ctx, settings, channel, notice); err != nil {
		return err
	}
	n.mu.Lock()
	n.worked[channel] = time.Now()
	n.mu.Unlock()
	n.Wake()
	return nil
}

// States returns the state of each channel on this appliance, mail first.
func (n *Notifier) States() []pair.ChannelState {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.states)
}

func (n *Notifier) publish() {
	state := func(id, secret string) pair.ChannelState {
		state := pair.ChannelState{ID: id}
		if c := n.outbox.Channels[id]; c != nil {
			state = c.state(id)
		}
		state.SecretSet = secret != ""
		return state
	}
	states := []pair.ChannelState{state(pair.MailChannel, n.settings.Mail.Password)}
	for _, w := range n.settings.Webhooks {
		states = append(states, state(w.ID, w.Secret))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.states = states
}
