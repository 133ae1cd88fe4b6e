package failover

import "baton/internal/pair"

// askServices asks the services for another duty; whatever they were asked for before ends.
// ServicesSet tells the outcome.
func askServices(t *turn, duty pair.Duty) {
	if t.Duty != duty {
		t.DutyTries = 0
	}
	t.Duty, t.DutyAgain = duty, Moment{}
	t.Stopping = duty == pair.Rest
	t.do(SetServices{Duty: duty})
}

// followPrimaryServices has the services of a backup follow the primary's, as soon as nothing runs
// here any more that led, and nothing is to be set aside that they would change. It may have been
// promoted in this turn.
func followPrimaryServices(t *turn) {
	follows := t.Record.Role == pair.Backup && !rests(t.facts()) && t.facts().closed() && t.Leaving == Stays
	if follows && t.Duty != pair.Follow {
		askServices(t, pair.Follow)
	}
}

// restFollowers has services rest before anything is set aside that they would change.
func restFollowers(t *turn) {
	if rests(t.facts()) && t.Duty != pair.Rest {
		askServices(t, pair.Rest)
	}
}

func rests(f facts) bool {
	return f.Phase == pair.Releasing || f.Phase == pair.Conflict || !f.Record.Diverged.IsZero()
}

// restServices has services rest that followed, on an appliance that is no backup any more and
// does not open its site yet.
func restServices(t *turn) {
	if t.Duty == pair.Follow && t.Door == Closed {
		askServices(t, pair.Rest)
	}
}

// servicesSet notes whether the services do what they were asked to.
func servicesSet(t *turn, ev ServicesSet) {
	if ev.Duty != t.Duty {
		return // they have been asked for something else since
	}
	if t.Door == StartingServices {
		opened(t, StartingServices, StartOfServices, outcome{ev.OK})
		return
	}
	effect := StartOfServices
	if ev.Duty == pair.Rest {
		effect = StopOfServices
	}
	switch {
	case !ev.OK:
		t.Broken, t.DutyAgain = effect, at(t.now.Add(pauseAfter(&t.DutyTries)))
	case t.Broken == effect, t.Broken == StopOfServices:
		t.Broken = NoEffect
	}
	switch ev.Duty {
	case pair.Rest:
		servicesStopped(t, ev)
	case pair.Lead:
		resumed(t)
	case pair.Follow:
	}
}

// retryServices asks the services again to do what they failed to do. Those that failed to
// follow are asked to lead next, once their appliance is the primary.
func retryServices(t *turn) {
	if t.Duty == pair.Follow && t.Record.Role != pair.Backup {
		t.DutyAgain = Moment{}
	}
	if t.DutyAgain.Set && t.due(t.DutyAgain.At) {
		askServices(t, t.Duty)
	}
}
