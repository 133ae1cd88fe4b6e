package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// How the queue behaves.
const (
	// The first event waits so long for others of the same moment: a takeover comes
	// with several, and they make one notice.
	gather = 3 * time.Second
	// A backup waits so long for its primary to record the same fact: histories are
	// exchanged every few seconds.
	held = 15 * time.Second
	// Two appliances record one fact at most so far apart.
	twinWindow = 2 * time.Minute
	// So many notices go out as they come; then one in every pace. What happens
	// meanwhile is told together.
	burst = 10
	pace  = 10 * time.Minute
	// So many facts are kept for one channel; the oldest makes room.
	mostWaiting = 100
	// The wait after a failed attempt doubles from the first to the last.
	firstRetry = 5 * time.Second
	lastRetry  = 30 * time.Minute
	// After so long a notice is given up; sooner if the other side understands it
	// and does not take it.
	giveUp    = 3 * 24 * time.Hour
	unwelcome = time.Hour
	// So many bytes of an event's text are kept while it waits.
	longestText = 600
)

// SilentCondition is the condition that no channel of an appliance gets through.
// Its peer tells of it in its place.
const SilentCondition = "notifications-silent"

// outbox is what one appliance has still to tell, and how far in the history it
// has looked. It is one value: what moves on in the history is in the queue of the
// same moment. No clock, no I/O.
type outbox struct {
	Heads     map[pair.ApplianceID]int64 `json:"heads"`      // number of the last event considered, by appliance
	Daily     time.Time                  `json:"daily"`      // the last daily notice that is settled was due then
	DailyTold time.Time                  `json:"daily_told"` // due of the last one that was delivered
	DailyAt   string                     `json:"daily_at"`   // when daily notices were due, time and zone, as of then
	Twins     map[string]time.Time       `json:"twins"`      // what the peer recorded lately
	Channels  map[string]*channel        `json:"channels"`
}

// channel is the queue of one channel. One notice is under way at a time; what
// happens meanwhile makes the next.
type channel struct {
	Waiting      []waiting `json:"waiting"`
	DailyDue     time.Time `json:"daily_due"` // a daily notice waits, due then; zero: none
	Sending      *sending  `json:"sending"`
	Paid         time.Time `json:"paid"`    // paces: a notice moves it on by pace
	Dropped      int       `json:"dropped"` // never told
	Untold       int       `json:"untold"`  // of those, not yet said
	LastSuccess  time.Time `json:"last_success"`
	LastFailure  time.Time `json:"last_failure"`
	LastError    string    `json:"last_error"`
	FailingSince time.Time `json:"failing_since"`
}

// waiting is an item with its place in the queue.
type waiting struct {
	Item
	Fact string    `json:"fact"`
	At   time.Time `json:"at"` // when it was put into the queue
}

// sending is a notice under way: fixed, whatever else happens.
type sending struct {
	ID       string    `json:"id"`
	Kind     Kind      `json:"kind"`
	Time     time.Time `json:"time"`
	Items    []Item    `json:"items"`
	Dropped  int       `json:"dropped"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first"` // attempt
	Next     time.Time `json:"next"`  // attempt
}

// readOutbox reads what a former run has left; nothing is an empty outbox.
func readOutbox(text []byte) (*outbox, error) {
	o := &outbox{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, o); err != nil {
			return nil, fmt.Errorf("read the queue of notices: %w", err)
		}
	}
	return o, nil
}

func (o *outbox) idle() bool { return o.Heads == nil }

// begin starts at this point of the history: earlier events are not sent.
func (o *outbox) begin(heads map[pair.ApplianceID]int64, now time.Time) {
	*o = outbox{
		Heads: maps.Clone(heads), Daily: now,
		Twins: map[string]time.Time{}, Channels: map[string]*channel{},
	}
}

// meet starts at the present end of the history of an appliance that is new here.
func (o *outbox) meet(heads map[pair.ApplianceID]int64, self pair.ApplianceID) {
	for appliance, head := range heads {
		if _, known := o.Heads[appliance]; !known && appliance != self {
			o.Heads[appliance] = head
		}
	}
}

// keepOnly makes queues for the channels that are on, and forgets the others. It
// reports whether that changed anything.
func (o *outbox) keepOnly(tells map[string]pair.Tell) (changed bool) {
	for id := range o.Channels {
		if _, wanted := tells[id]; !wanted {
			delete(o.Channels, id)
			changed = true
		}
	}
	for id := range tells {
		if o.Channels[id] == nil {
			o.Channels[id] = &channel{}
			changed = true
		}
	}
	return changed
}

// take considers events, as History.After orders them, and puts into the queues what
// is told. It reports whether a queue changed.
func (o *outbox) take(events []pair.Event, tells map[string]pair.Tell, s Situation, now time.Time) (changed bool) {
	for _, event := range events { // first, as the peer's may come behind the own
		if name := twin(event); name != "" && event.Appliance != s.Self {
			o.Twins[name] = event.Time
			changed = true
		}
	}
	waits := false
	for _, event := range events {
		waits = waits || event.Appliance == s.Self && s.Led && young(event, now)
		if event.Appliance == s.Self && waits {
			continue // this one and the own ones behind it, until the primary has had time to tell
		}
		o.Heads[event.Appliance] = max(o.Heads[event.Appliance], number(event))
		if o.settles(event, s) {
			changed = true
		}
		if o.mine(event, s, now) {
			changed = o.queue(event, tells, now) || changed
		}
	}
	maps.DeleteFunc(o.Twins, func(_ string, at time.Time) bool { return now.Sub(at) > 10*time.Minute })
	return changed
}

// young reports whether an event is one that a backup holds back for the moment.
func young(event pair.Event, now time.Time) bool {
	age := now.Sub(event.Time)
	return age >= 0 && age < held
}

// number is the appliance's own running number of an event.
func number(event pair.Event) int64 {
	_, text, _ := strings.Cut(event.ID, "-")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0 // not one of ours: considered again, never told twice while it waits
	}
	return n
}

// settles notes that the peer has sent the daily notice.
func (o *outbox) settles(event pair.Event, s Situation) bool {
	if event.Kind != pair.KindDailyNotice || event.Appliance == s.Self {
		return false
	}
	due, err := time.Parse(time.RFC3339, event.Detail["due"])
	if err != nil || !due.After(o.Daily) {
		return false
	}
	o.Daily = due
	return true
}

// mine reports whether this appliance is the one that tells of an event: its own,
// unless its primary tells of the same fact; and of the peer that it cannot tell.
func (o *outbox) mine(event pair.Event, s Situation, now time.Time) bool {
	age := now.Sub(event.Time)
	if event.Appliance != s.Self {
		return condition(event) == SilentCondition && age < time.Hour
	}
	if age > giveUp {
		return false
	}
	at, both := o.Twins[twin(event)]
	return !both || !s.Led || event.Time.Sub(at).Abs() > twinWindow
}

func (o *outbox) queue(event pair.Event, tells map[string]pair.Tell, now time.Time) (changed bool) {
	for id, tell := range tells {
		if wants(tell, event) {
			o.Channels[id].add(event, now)
			changed = true
		}
	}
	return changed
}

// add puts an event into the queue, in the place of one that says the same.
func (c *channel) add(event pair.Event, now time.Time) {
	event.Text = cut(event.Text, longestText)
	event.Detail = map[string]string{
		"condition": event.Detail["condition"], "severity": event.Detail["severity"],
		"next_step": cut(event.Detail["next_step"], longestText),
	}
	maps.DeleteFunc(event.Detail, func(_, value string) bool { return value == "" })
	name := fact(event)
	next := waiting{Item: Item{Event: event, First: event.Time}, Fact: name, At: now}
	if i := slices.IndexFunc(c.Waiting, func(w waiting) bool { return w.Fact == name }); i >= 0 {
		was := c.Waiting[i]
		next.First, next.Times, next.At = was.First, was.Times, was.At
		c.Waiting = slices.Delete(c.Waiting, i, i+1)
	}
	if event.Kind != pair.KindConditionCleared {
		next.Times++
	}
	if len(c.Waiting) >= mostWaiting {
		c.drop(1)
		c.Waiting = c.Waiting[1:]
	}
	c.Waiting = append(c.Waiting, next)
}

func (c *channel) drop(n int) {
	c.Dropped += n
	c.Untold += n
}

// cut shortens a text to at most so many bytes, between two characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// daily puts a daily notice into the queues when one is due. When the hour has been
// changed, it counts from now.
func (o *outbox) daily(at string, next func(time.Time) time.Time, tells map[string]pair.Tell, s Situation, now time.Time) (changed bool) {
	if o.DailyAt != at {
		o.DailyAt = at
		o.Daily = now
		return true
	}
	before, due := o.Daily, o.Daily
	for later := next(due); !later.After(now); later = next(due) {
		before, due = due, later // after a long sleep, only the newest
	}
	if !s.leads() {
		o.Daily = before // the newest stays open: this may be the primary in a moment
		return false
	}
	if due.Equal(o.Daily) {
		return false
	}
	o.Daily = due
	for id, tell := range tells {
		if tell.Daily {
			o.Channels[id].DailyDue = due
		}
	}
	return true
}

// seal puts together the notice that each channel sends next, if it is time. It
// reports whether there is a new one.
func (o *outbox) seal(s Situation, now time.Time) (changed bool) {
	for _, c := range o.Channels {
		if !s.leads() && !c.DailyDue.IsZero() {
			c.DailyDue = time.Time{} // the new primary sends it
			changed = true
		}
		if !s.leads() && c.Sending != nil && c.Sending.Kind == KindDaily {
			c.Sending = nil
			changed = true
		}
		if ready := c.ready(); !ready.IsZero() && !ready.After(now) {
			c.seal(s, now)
			changed = true
		}
	}
	return changed
}

// ready returns when the next notice may be put together; zero: there is none.
func (c *channel) ready() time.Time {
	if c.Sending != nil || len(c.Waiting) == 0 && c.DailyDue.IsZero() {
		return time.Time{}
	}
	ready := c.DailyDue
	if len(c.Waiting) > 0 {
		oldest := slices.MinFunc(c.Waiting, func(a, b waiting) int { return a.At.Compare(b.At) })
		ready = oldest.At.Add(gather)
	}
	if allowed := c.Paid.Add(-(burst - 1) * pace); ready.Before(allowed) {
		ready = allowed
	}
	return ready
}

func (c *channel) seal(s Situation, now time.Time) {
	stale := func(w waiting) bool { return now.Sub(w.At) > giveUp }
	fresh := slices.DeleteFunc(slices.Clone(c.Waiting), stale)
	c.drop(len(c.Waiting) - len(fresh))
	c.Waiting = nil
	if c.Paid.Before(now) {
		c.Paid = now
	}
	c.Paid = c.Paid.Add(pace)
	next := &sending{Time: now, First: now, Next: now, Kind: KindEvents}
	switch {
	case len(fresh) > 0:
		for _, w := range fresh {
			next.Items = append(next.Items, w.Item)
		}
		next.ID = fresh[len(fresh)-1].Event.ID
		next.Dropped, c.Untold = c.Untold, 0
	case !c.DailyDue.IsZero():
		next.Kind, next.ID = KindDaily, dailyID(s, c.DailyDue)
		next.Time = c.DailyDue
		c.DailyDue = time.Time{}
	default:
		return
	}
	c.Sending = next
}

// dailyID is the same on both appliances of a pair.
func dailyID(s Situation, due time.Time) string {
	of := s.PairID
	if of == "" {
		of = string(s.Self)
	}
	return "daily-" + due.In(s.Zone).Format(time.DateOnly) + "-" + of[:min(len(of), 8)]
}

// delivered ends the notice under way.
func (c *channel) delivered(now time.Time) {
	c.Sending = nil
	c.works(now)
}

// works notes that the channel gets through; what failed is tried at once.
func (c *channel) works(now time.Time) {
	c.LastSuccess, c.FailingSince = now, time.Time{}
	c.hurry(now)
}

// hurry tries at once what waits for its next attempt.
func (c *channel) hurry(now time.Time) {
	if c.Sending != nil {
		c.Sending.Next = now
	}
}

// failed says when to try again, or gives the notice up; it returns the one that
// was given up.
func (c *channel) failed(now time.Time, text string, patience time.Duration) (lost *sending) {
	c.LastFailure, c.LastError = now, text
	if c.FailingSince.IsZero() {
		c.FailingSince = now
	}
	s := c.Sending
	s.Attempts++
	if now.Sub(s.First) >= patience {
		c.drop(len(s.Items))
		c.Sending = nil
		return s
	}
	s.Next = now.Add(delay(s.Attempts))
	return nil
}

// delay is how long to wait after so many failed attempts, less up to a quarter so
// that two who wait for the same server do not come together.
func delay(attempts int) time.Duration {
	wait := min(firstRetry<<min(attempts-1, 16), lastRetry)
	return wait - time.Duration(rand.Float64()*0.25*float64(wait)) //nolint:gosec // nothing secret
}

// next returns when the outbox has something to do without a new event. It leaves out
// the channels with an attempt under way.
func (o *outbox) next(busy map[string]bool) time.Time {
	var first time.Time
	for id, c := range o.Channels {
		if busy[id] {
			continue
		}
		at := c.ready()
		if c.Sending != nil {
			at = c.Sending.Next
		}
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// state is the state of a channel, for people.
func (c *channel) state(id string) pair.ChannelState {
	state := pair.ChannelState{ID: id, Enabled: true, Pending: len(c.Waiting), Dropped: c.Dropped, LastError: c.LastError}
	if !c.DailyDue.IsZero() {
		state.Pending++
	}
	if c.Sending != nil {
		state.Pending += max(len(c.Sending.Items), 1)
		state.Attempts = c.Sending.Attempts
		state.NextAttempt = c.Sending.Next
	}
	state.LastSuccess, state.LastFailure, state.FailingSince = c.LastSuccess, c.LastFailure, c.FailingSince
	return state
}
