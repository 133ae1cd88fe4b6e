package failover

import "baton/internal/pair"

// want asks the services for another duty; whatever they were asked for before ends.
// ServicesSet tells the outcome.
func (t *turn) want(duty pair.Duty) {
	t.Duty, t.DutyAgain = duty, Moment{}
	t.Stopping = duty == pair.Rest
	t.do(SetServices{Duty: duty})
}

// follow has the services of a backup follow the primary's, as soon as nothing runs
// here any more that led, and nothing is to be set aside that they would change.
func (t *turn) follow() {
	rests := t.Phase == pair.Releasing || t.Phase == pair.Conflict || !t.Record.Diverged.IsZero()
	switch {
	case rests && t.Duty != pair.Rest:
		t.want(pair.Rest)
	case !rests && t.Duty != pair.Follow && t.closed():
		t.want(pair.Follow)
	}
}

// unfollow has services rest that followed, on an appliance that is no backup any more and
// does not open its site yet.
func (t *turn) unfollow() {
	if t.Duty == pair.Follow && t.Door == Closed {
		t.want(pair.Rest)
	}
}

// servicesSet notes whether the services do what they were asked to.
func (t *turn) servicesSet(ev ServicesSet) {
	if ev.Duty != t.Duty {
		return // they have been asked for something else since
	}
	if t.Door == StartingServices {
		t.opened(StartingServices, StartOfServices, outcome{ev.OK})
		return
	}
	effect := StartOfServices
	if ev.Duty == pair.Rest {
		effect = StopOfServices
	}
	switch {
	case !ev.OK:
		t.Broken, t.DutyAgain = effect, at(t.now.Add(retryPause))
	case t.Broken == effect, t.Broken == StopOfServices:
		t.Broken = NoEffect
	}
	switch ev.Duty {
	case pair.Rest:
		t.servicesStopped(ev)
	case pair.Lead:
		t.resumed(ev)
	case pair.Follow:
	}
}

// retryServices asks the services again to do what they failed to do.
func (t *turn) retryServices() {
	if t.DutyAgain.Set && t.due(t.DutyAgain.At) {
		t.want(t.Duty)
	}
}
