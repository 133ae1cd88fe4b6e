package main

import (
	"math/rand/v2"
	"time"
)

// kind is one way to break a pair.
type kind string

// The kinds.
const (
	kindCut       kind = "cable cut"
	kindSilence   kind = "silence"
	kindPartition kind = "partition"
	kindOneWay    kind = "one way"
	kindPolls     kind = "polls lost"
	kindLoss      kind = "loss"
	kindDelay     kind = "delay"
	kindHang      kind = "SIGSTOP"
	kindKill      kind = "SIGKILL"
	kindPower     kind = "power cut"
	kindStop      kind = "stop"
	kindRestart   kind = "restart"
	kindReload    kind = "reload"
	kindUpgrade   kind = "upgrade"
	kindSwitch    kind = "switch, final sync"
	kindSwitchNow kind = "switch, no final sync"
	kindAddress   kind = "address flush"
	kindRules     kind = "ruleset flush"
	kindFull      kind = "full disk"
)

func kinds() []kind {
	return []kind{
		kindCut, kindSilence, kindPartition, kindOneWay, kindPolls, kindLoss, kindDelay, kindHang, kindKill, kindPower,
		kindStop, kindRestart, kindReload, kindUpgrade, kindSwitch, kindSwitchNow, kindAddress, kindRules, kindFull,
	}
}

// moment says what the pair is doing when a fault strikes.
type moment string

// The moments.
const (
	momentSteady   moment = "steady"
	momentSyncing  moment = "syncing"
	momentTakeover moment = "takeover"
	momentReturn   moment = "return"
	momentHandover moment = "handover"
)

func moments() []moment {
	return []moment{momentSteady, momentSyncing, momentTakeover, momentReturn, momentHandover}
}

// side is an appliance by the role that it has when the round begins.
type side string

// The sides.
const (
	onPrimary side = "primary"
	onBackup  side = "backup"
)

func (s side) other() side {
	if s == onPrimary {
		return onBackup
	}
	return onPrimary
}

// strike is one fault.
type strike struct {
	Kind    kind          `json:"kind"`
	On      side          `json:"on"` // one way: whose frames are lost
	After   time.Duration `json:"after"`
	Lasts   time.Duration `json:"lasts"`             // 0: it is over at once
	Percent int           `json:"percent,omitempty"` // of the frames that are lost
	By      time.Duration `json:"by,omitempty"`      // for how long each frame is held up
	Hard    bool          `json:"hard,omitempty"`    // SIGKILL: the service manager does not clean up
}

// plan is what happens in one round. Everything counts from the moment at which
// the round begins.
type plan struct {
	Round  int     `json:"round"`
	Moment moment  `json:"moment"`
	Bring  *strike `json:"bring,omitempty"` // what brings about a takeover, a return or a handover
	First  strike  `json:"first"`
	Second *strike `json:"second,omitempty"` // begins while the first lasts
}

// strikes lists all, in no order.
func (p plan) strikes() []strike {
	all := []strike{p.First}
	if p.Bring != nil {
		all = append(all, *p.Bring)
	}
	if p.Second != nil {
		all = append(all, *p.Second)
	}
	return all
}

// draw decides what happens in a round: the seed and the number say all.
func draw(seed uint64, round int, timeout time.Duration) plan {
	r := rand.New(rand.NewPCG(seed, uint64(round))) //nolint:gosec // chance, not secrecy
	d := dice{r, timeout}
	p := plan{Round: round, Moment: pick(r, moments())}
	p.First = d.strike(p.Moment)
	p.Bring = d.bring(p.Moment)
	p.First.After = d.when(p.Moment)
	if r.IntN(3) == 0 {
		second := d.strike(p.Moment)
		second.After = p.First.After + d.part(0, 1, max(p.First.Lasts, timeout/5))
		p.Second = &second
	}
	return p
}

// dice draws one thing after the other.
type dice struct {
	*rand.Rand
	timeout time.Duration
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// part is a time between two shares of another.
func (d dice) part(from, to float64, of time.Duration) time.Duration {
	return time.Duration((from + d.Float64()*(to-from)) * float64(of)).Truncate(time.Millisecond)
}

// strike draws a fault.
func (d dice) strike(m moment) strike {
	// Lost polls more often: they alone show whether a takeover looks further than polls.
	from := append(kinds(), kindPolls, kindPolls)
	s := strike{Kind: pick(d.Rand, from), On: onPrimary}
	for m == momentHandover && (s.Kind == kindSwitch || s.Kind == kindSwitchNow) {
		s.Kind = pick(d.Rand, from)
	}
	if d.IntN(10) < 3 {
		s.On = onBackup
	}
	switch d.IntN(3) { // shorter than the timeout, about as long, longer
	case 0:
		s.Lasts = d.part(0.2, 0.8, d.timeout)
	case 1:
		s.Lasts = d.part(0.8, 1.5, d.timeout)
	default:
		s.Lasts = d.part(1.5, 2, d.timeout)
	}
	d.shape(&s)
	return s
}

// shape sets what is special to the kind.
func (d dice) shape(s *strike) {
	switch s.Kind {
	case kindKill:
		s.Lasts, s.Hard = max(s.Lasts, restartPause), d.IntN(2) == 0
	case kindStop:
		s.Lasts = max(s.Lasts, restartPause)
	case kindRestart, kindReload, kindUpgrade:
		s.Lasts = 0
	case kindLoss:
		s.Percent = 10 + d.IntN(50)
	case kindDelay:
		s.By = d.part(0.05, 0.6, d.timeout)
	case kindFull:
		s.Lasts = max(s.Lasts, 2*time.Second) // longer than the pause between two syncs
		if d.IntN(2) == 0 {
			s.On = onBackup
		}
	case kindSwitch, kindSwitchNow:
		s.On, s.Lasts = onBackup, 0 // it is asked for there
	case kindAddress:
		s.On, s.Lasts = onPrimary, 0
	case kindRules:
		s.Lasts = 0
	case kindCut, kindSilence, kindPartition, kindOneWay, kindPolls, kindHang, kindPower:
	}
}

// bring draws what brings the pair into the moment.
func (d dice) bring(m moment) *strike {
	b := strike{On: onPrimary}
	switch m {
	case momentTakeover:
		b.Kind, b.Lasts = pick(d.Rand, []kind{kindCut, kindSilence, kindPower, kindHang}), 2*d.timeout
	case momentReturn:
		b.Kind, b.Lasts = pick(d.Rand, []kind{kindCut, kindSilence, kindPower, kindHang}), 3*d.timeout/2
	case momentHandover:
		b.Kind, b.On = kindSwitch, onBackup
	case momentSteady, momentSyncing:
		return nil
	}
	return &b
}

// when draws how long after the round's begin the first fault strikes.
func (d dice) when(m moment) time.Duration {
	switch m {
	case momentTakeover:
		return d.part(0.4, 1.4, d.timeout)
	case momentReturn:
		return 3*d.timeout/2 + d.part(0, 1, d.timeout)
	case momentHandover:
		return d.part(0, 1, 600*time.Millisecond)
	case momentSteady, momentSyncing:
	}
	return d.part(0, 1, 400*time.Millisecond)
}
