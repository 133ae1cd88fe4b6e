package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"baton/internal/admin/copies"
	"baton/internal/agent"
	"baton/internal/datasync"
	"baton/internal/datasync/refusal"
	"baton/internal/kept"
	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// peerURL is where the link's clients find the peer.
const peerURL = "https://peer" + wire.Prefix

// data is the protected data, as the agent needs it.
type data struct{ appliance *Appliance }

func (d *data) Open(ctx context.Context) error { return d.open(ctx, d.appliance.engine.Settle) }

func (d *data) OpenForced(ctx context.Context) error {
	return d.open(ctx, d.appliance.engine.SettleForced)
}

func (d *data) open(ctx context.Context, settle func(context.Context) error) error {
	began := agent.BootClock()
	if err := settle(ctx); err != nil {
		return err
	}
	d.appliance.exchange.Keep(ctx)
	if left := d.appliance.engine.LeftOut.List(); len(left) > 0 {
		d.appliance.history.Record(copies.LeftOut(d.appliance.engine.Snapshot(), left))
		if err := d.appliance.engine.LeftOut.Forget(); err != nil { // it is told again then
			d.appliance.log.Warn("what a takeover goes on without was told, and is not noted so", slog.String("error", err.Error()))
		}
	}
	d.appliance.overview.Opening.DataOpened(agent.BootClock().Sub(began))
	return nil
}

func (d *data) Offer(epoch pair.Epoch) { d.appliance.engine.Offer(epoch) }
func (d *data) Withdraw()              { d.appliance.engine.Withdraw() }
func (d *data) SetAside(ctx context.Context, epoch pair.Epoch, since uint64) error {
	made, err := d.appliance.engine.SetAside(ctx, epoch, since)
	if err != nil {
		return err
	}
	if made.ID != "" {
		d.setAside(made)
	}
	return nil
}

// Torn implements agent.Data.
func (d *data) Torn() bool {
	d.appliance.engine.CheckMounts()
	return d.appliance.engine.Torn() != nil
}

// mend looks whether the data of a backup is whole, and tries again to make it so if a
// snapshot is half in place.
func (a *Appliance) mend(ctx context.Context) {
	if a.agent.Decision().State.Record.Role != pair.Backup {
		return
	}
	a.engine.CheckMounts()
	if err := a.engine.Mend(ctx); err != nil {
		a.log.Warn("data not made whole", slog.String("error", err.Error()))
	}
	if a.engine.Torn() != nil || a.agent.Decision().State.Torn {
		a.agent.DataMended(a.startSnapshot())
	}
}

// Pull implements agent.Data. What the site database says afterwards is in force
// at once.
func (d *data) Pull(ctx context.Context, pull agent.Pull) (agent.Pulled, error) {
	a := d.appliance
	snapshot, err := a.engine.Pull(ctx, a.link.Bulk(), peerURL, datasync.Request{
		Epoch: pull.Epoch, Final: pull.Final, AcceptShrink: pull.AcceptShrink,
	})
	if errors.Is(err, refusal.ErrNotPrimary) {
		return agent.Pulled{}, withheld{err}
	}
	if err != nil {
		return agent.Pulled{}, err
	}
	progress := a.engine.Progress()
	pulled := agent.Pulled{Snapshot: snapshot, Files: progress.FilesDone, Bytes: progress.BytesDone}
	// The snapshot is complete, even if a takeover has just ended the sync.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadLimit)
	defer cancel()
	if err := a.reload(after); err != nil {
		a.log.Error("settings not read after a data sync", slog.String("error", err.Error()))
	}
	return pulled, nil
}

// Await implements agent.Data.
func (d *data) Await(ctx context.Context, epoch pair.Epoch, wait time.Duration) (agent.Awaited, error) {
	awaited, err := d.appliance.engine.Await(ctx, d.appliance.link.Bulk(), peerURL, epoch, wait)
	return agent.Awaited(awaited), err
}

// reloadLimit bounds how long the end of a data sync waits for the settings.
const reloadLimit = 2 * time.Second

// startSnapshot is the snapshot that this appliance holds as a backup: what the
// engine has, if it was pulled under the present epoch; else what was recorded
// when that began. What a former primary has is no snapshot.
func (a *Appliance) startSnapshot() pair.Snapshot {
	record := a.local.State().Record
	if record.Role != pair.Backup {
		return pair.Snapshot{}
	}
	if newest := a.engine.Snapshot(); newest.Epoch == record.Epoch {
		return newest
	}
	return record.Snapshot
}

// withheld is the primary's word that it offers no data, in the agent's terms.
type withheld struct{ error }

// Is implements errors.Is.
func (withheld) Is(target error) bool { return target == agent.ErrWithheld }

// Unwrap implements errors.Unwrap.
func (w withheld) Unwrap() error { return w.error }

// setAside writes a new diverged copy into the history.
func (d *data) setAside(made kept.DivergedCopy) { d.appliance.history.Record(copies.SetAside(made)) }

// missing writes into the history what an administrator took over without.
func (d *data) missing(of pair.Snapshot, what string) {
	d.appliance.history.Record(copies.Missing(of, what))
}
