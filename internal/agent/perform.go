package agent

import (
	"context"
	"log/slog"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// How long an edge may take where the decision sets no limit.
const (
	dataLimit    = 2 * time.Minute        // to make protected data whole
	asideLimit   = time.Hour              // to set a diverged copy aside
	endLimit     = 15 * time.Second       // to tell the primary that a switch is off, which it finds out by itself, too
	downLimit    = 10 * time.Second       // to take the site down at the end, besides what the services take to stop
	dismissLimit = 100 * time.Millisecond // to answer requests that wait, at the end
	goodbyeLimit = 500 * time.Millisecond // to tell the peer at the end
)

// perform carries one action out. Traffic and durability are done here and now;
// everything else reports its outcome later.
func (a *Agent) perform(ctx context.Context, state failover.State, action failover.Action) {
	switch action := action.(type) {
	case failover.Save: // done, by turn
	case failover.Claim:
		endCall(&a.hold)
		a.Door.Open()
		err := a.Mover.Claim(ctx, Term{Lease: action.Lease, Until: action.Until})
		a.logFailure("bring the clients here", err)
		a.failures["claim-failed"] = err
		a.pending = append(a.pending, failover.Claimed{OK: err == nil})
	case failover.Renew:
		err := a.Mover.Renew(ctx, Term(action))
		a.logFailure("renew shared ip", err)
		a.failures["claim-failed"] = err
		a.pending = append(a.pending, failover.Renewed{OK: err == nil})
	case failover.CloseTraffic:
		err := a.Mover.Renew(ctx, Term{Lease: action.Lease, Until: action.Until, Shut: true})
		a.logFailure("close the traffic of the shared ip", err)
		a.pending = append(a.pending, failover.TrafficClosed{OK: err == nil})
	case failover.Release:
		err := a.Mover.Release(ctx)
		a.logFailure("let the clients go", err)
		a.failures["release-failed"] = err
		endCall(&a.hold)
		a.Door.Close()
		a.pending = append(a.pending, failover.Released{OK: err == nil})
	case failover.TurnAway:
		endCall(&a.hold)
		within, cancel := context.WithTimeout(ctx, action.Wait)
		a.Door.Dismiss(within)
		cancel()
	case failover.ServeRequests:
		endCall(&a.hold)
		a.Door.Open()
	case failover.Announce:
		a.Mover.Announce()
	case failover.Explain:
		a.account.explain(a.config, state, action, a.causeOf(action.Reason))
	case failover.Depart:
		close(a.departs)
	case failover.Finish:
		answer(&a.callers.command, refusal(action.Refusal, a.causeOf(action.Refusal)))
	case failover.AnswerHold:
		answer(&a.callers.holding, refusal(action.Refusal, a.causeOf(action.Refusal)))
	case failover.AnswerCommit:
		answer(&a.callers.giving, refusal(action.Refusal, ""))
	case failover.AnswerRelease:
		answer(&a.callers.releasing, refusal(action.Refusal, ""))
	case failover.SetServices:
		a.duties.want(action.Duty)
	default:
		a.begin(ctx, state, action)
	}
}

// logFailure logs an effect that failed; the decision is told by an event.
func (a *Agent) logFailure(act string, err error) {
	if err != nil {
		a.Log.Error("effect failed", slog.String("act", act), slog.String("error", err.Error()))
	}
}

// begin starts what takes a while. Its outcome comes back as an event.
func (a *Agent) begin(ctx context.Context, state failover.State, action failover.Action) {
	switch action := action.(type) {
	case failover.Poll:
		view := a.config.View(state)
		a.beside.run(ctx, action.Wait, func(within context.Context) failover.Event {
			event := a.poll(within, view)
			if _, failed := event.(failover.PollFailed); failed {
				a.syncs.lookAtData()
			}
			return event
		})
	case failover.TestIPs:
		a.beside.run(ctx, 0, func(ctx context.Context) failover.Event {
			return failover.TestIPsAnswered{Reached: a.Evidence.Reached(ctx, action.Need, action.Wait)}
		})
	case failover.ProbeAddress:
		a.beside.run(ctx, 0, func(ctx context.Context) failover.Event {
			return failover.AddressProbed{Result: a.Evidence.Probe(ctx, action.Wait)}
		})
	case failover.CheckAddress:
		a.beside.run(ctx, time.Second, func(ctx context.Context) failover.Event {
			return failover.AddressChecked{Owner: a.Evidence.Check(ctx)}
		})
	case failover.OpenData:
		a.beside.run(ctx, dataLimit, func(ctx context.Context) failover.Event {
			open := a.Data.Open
			if action.Forced {
				open = a.Data.OpenForced
			}
			err := open(ctx)
			a.logFailure("open data", err)
			return failover.DataOpened{OK: err == nil}
		})
	case failover.SetAside:
		a.beside.run(ctx, asideLimit, func(ctx context.Context) failover.Event {
			err := a.Data.SetAside(ctx, action.Epoch, action.Since)
			a.logFailure("set diverged data aside", err)
			return failover.SetAsideDone{OK: err == nil}
		})
	default:
		a.beginSwitch(ctx, state, action)
	}
}

func (a *Agent) beginSwitch(ctx context.Context, state failover.State, action failover.Action) {
	switch action := action.(type) {
	case failover.HoldRequests:
		a.beside.cancellable(ctx, &a.hold, action.Wait, func(ctx context.Context) (failover.Event, error) {
			err := a.Door.Hold(ctx)
			return failover.RequestsHeld{OK: err == nil}, err
		})
	case failover.ForwardRequests:
		a.beside.cancellable(ctx, &a.hold, action.Wait, func(ctx context.Context) (failover.Event, error) {
			err := a.Door.Forward(ctx)
			return failover.RequestsForwarded{OK: err == nil}, err
		})
	case failover.Sync:
		a.beside.runStep(ctx, 0, func(ctx context.Context) (failover.Event, error) {
			var err error
			if action.Final { // requests are held meanwhile
				err = a.syncs.once(ctx, Pull{Epoch: state.Record.Epoch, Final: true})
			} else {
				err = a.syncs.soon(ctx, Pull{})
			}
			return failover.SyncEnded{OK: err == nil}, err
		})
	case failover.AskHold:
		a.account.left()
		a.beside.cancellable(ctx, &a.asking, action.Wait, func(ctx context.Context) (failover.Event, error) {
			err := a.Peer.Hold(ctx, state.Record.Epoch)
			a.logFailure("ask the primary to hold requests", err)
			return failover.HoldAnswered{OK: err == nil}, err
		})
	case failover.AskCommit:
		a.account.left()
		a.beside.runStep(ctx, action.Wait, func(ctx context.Context) (failover.Event, error) {
			err := a.Peer.Commit(ctx, failover.CommitAsked{
				Next: action.Next, Snapshot: a.Decision().State.Record.Snapshot, Final: action.Final, Forward: action.Forward,
			})
			a.logFailure("ask the primary to hand over", err)
			return failover.CommitAnswered{OK: err == nil}, err
		})
	case failover.AskRelease:
		a.Door.OpenToPeer()
		a.beside.run(ctx, action.Wait, func(ctx context.Context) failover.Event {
			err := a.Peer.Release(ctx, state.Record.Epoch)
			a.logFailure("ask the former primary to release the shared ip", err)
			return failover.ReleaseAnswered{OK: err == nil}
		})
	case failover.EndHold:
		a.beside.run(ctx, endLimit, func(ctx context.Context) failover.Event {
			a.logFailure("end the hold", a.Peer.EndHold(ctx))
			return failover.Tick{}
		})
	case failover.OfferHandover:
		a.beside.run(ctx, action.Wait, func(ctx context.Context) failover.Event {
			a.logFailure("offer a handover", a.Peer.Take(ctx, failover.BecomePrimary{FinalSync: true, Automatic: true, Stops: action.Stops, Within: action.Wait}))
			return failover.OfferEnded{}
		})
	}
}

func (a *Agent) poll(ctx context.Context, view pair.View) failover.Event {
	sent := a.Clock()
	answer, err := a.Peer.Poll(ctx, view)
	if err != nil {
		return failover.PollFailed{Reason: a.Peer.Failure(err)}
	}
	return failover.PollAnswered{Heard: failover.Heard{View: answer, Confirmed: failover.Moment{At: sent, Set: true}}}
}

// sayGoodbye tells the peer that this daemon stops because it was told to (see Stop), and
// that the shared IP is off: a backup need not wait for the timeout. Nothing depends on its
// being heard. A daemon that ends for another reason may be back in a moment.
func (a *Agent) sayGoodbye(ctx context.Context) {
	if a.state.Record.Role == pair.Standalone || a.state.Leaving != failover.Gone {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, goodbyeLimit)
	defer cancel()
	view := a.config.View(a.state)
	view.Serving, view.Eligible, view.Stopping = false, false, true
	_, _ = a.Peer.Poll(ctx, view) // a peer that is away needs no goodbye
}

// served hands the loop how the services do what was wanted.
func (a *Agent) served(ctx context.Context, turn uint64, duty pair.Duty, err error) {
	a.logFailure("have the services "+duty.String(), err)
	newest := func() bool { return a.duties.newest(turn) }
	_ = a.inbox.post(ctx, message{event: failover.ServicesSet{Duty: duty, OK: err == nil}, cause: err, newest: newest}) // it is of no use to an agent that ends
}

// leave renews the leases once more, and returns until when another process may serve on.
func (a *Agent) leave(ctx context.Context) *failover.Continuation {
	left, ok := a.config.Continuation(a.state, a.Clock())
	if !ok {
		return nil
	}
	lease := left.Until.Sub(a.Clock())
	if err := a.Mover.Renew(ctx, Term{Lease: lease, Until: left.Until}); err != nil {
		a.logFailure("renew the leases for the next process", err)
		return nil
	}
	return &left
}

// takeDown leaves the machine as if the daemon had never run: traffic first.
func (a *Agent) takeDown() {
	ctx, cancel := context.WithTimeout(context.Background(), downLimit+a.config.StopLimit)
	defer cancel()
	endCall(&a.hold)
	within, enough := context.WithTimeout(ctx, dismissLimit)
	a.Door.Dismiss(within)
	enough()
	err := a.Mover.Release(ctx)
	a.logFailure("let the clients go", err)
	a.Door.Close()
	if err == nil {
		a.sayGoodbye(ctx)
	}
	a.Data.Withdraw()
	a.logFailure("stop services", a.duties.rest(ctx))
	a.callers.end()
}
