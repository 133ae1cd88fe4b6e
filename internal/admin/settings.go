package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
	"baton/internal/store"
	"baton/internal/watch"
)

// Settings implements api.Settings.
type Settings struct {
	Agent    act.Agent
	Link     act.Link
	Lead     *act.Lead
	Store    *store.Site
	InForce  *inforce.Settings
	Overview *status.Overview
	Outside  *watch.Outside
	Enforce  func(*failover.Config) // applies the settings in force
	Exchange func(context.Context)  // with the peer
}

// Settings implements api.Settings. A backup tells what it last heard from
// its primary.
func (s *Settings) Settings(ctx context.Context) (api.Saved[pair.Settings], error) {
	saved, version, err := s.Store.Settings.Get(ctx)
	if s.Agent.Decision().State.Record.Role == pair.Backup {
		saved, version = s.InForce.Versioned()
	}
	return api.Saved[pair.Settings]{Values: saved, Version: version}, act.Failure(err)
}

// SaveSettings implements api.Settings. On the backup, the primary saves
// them and tells them with the next exchange.
func (s *Settings) SaveSettings(ctx context.Context, wanted api.Saved[pair.Settings]) (api.Saved[pair.Settings], error) {
	if s.Agent.Decision().State.Record.Role == pair.Backup {
		return s.saveAtPrimary(ctx, wanted)
	}
	version, err := s.save(ctx, wanted, act.By(ctx))
	if err != nil {
		return api.Saved[pair.Settings]{}, act.Failure(err)
	}
	sum := wanted.Values.Sum()
	err = s.Overview.Acknowledged(ctx, "the settings are saved", func(decision agent.Decision) bool {
		now := s.InForce.Get().Sum()
		kept := decision.State.Record.Role != pair.Backup || now == sum // the role may have changed meanwhile
		return kept && decision.Config.SettingsSum == now
	})
	return api.Saved[pair.Settings]{Values: wanted.Values, Version: version}, err
}

// saveAtPrimary has the primary save settings, and waits until it tells them.
func (s *Settings) saveAtPrimary(ctx context.Context, wanted api.Saved[pair.Settings]) (api.Saved[pair.Settings], error) {
	current, version := s.InForce.Versioned()
	if err := s.Outside.Check(s.InForce.Get().TestIPs, wanted.Values.TestIPs); err != nil {
		return api.Saved[pair.Settings]{}, act.Failure(err)
	}
	question := wire.Settings{Changes: map[string]string{}, WantVersion: wanted.Version, By: act.By(ctx).Name, From: act.By(ctx).From}
	changes := pair.Changes(current, wanted.Values)
	for _, change := range changes {
		question.Changes[change.Key] = change.After
	}
	for _, key := range wanted.Named {
		question.Changes[key] = pair.Texts(wanted.Values)[key]
	}
	if err := peer.Ask(ctx, s.Link.Bulk(), wire.PathSettings, question); err != nil {
		return api.Saved[pair.Settings]{}, act.Failure(err)
	}
	s.Exchange(ctx) // brings them at once
	saved, err := s.Settings(ctx)
	if err == nil && len(changes) > 0 && saved.Version == version {
		err = pair.Refuse(pair.Unreachable, "the primary saved the settings, and has not told them yet: look again in a moment")
	}
	return saved, err
}

// Asked saves, on the primary, what an administrator changed on the backup.
func (s *Settings) Asked(ctx context.Context, q wire.Settings) (wire.Plain, error) {
	if s.Agent.Decision().State.Record.Role != pair.Primary {
		return wire.Plain{}, &peer.RemoteError{Code: "refused", Text: "That appliance is not the primary now; try again in a moment."}
	}
	before, version, err := s.Store.Settings.Get(ctx)
	if err != nil {
		return wire.Plain{}, err
	}
	wanted, err := pair.With(before, q.Changes)
	if err != nil {
		return wire.Plain{}, err
	}
	change := api.Saved[pair.Settings]{Values: wanted, Version: cmp.Or(q.WantVersion, version), Named: slices.Sorted(maps.Keys(q.Changes))}
	_, err = s.save(ctx, change, pair.Actor{Name: q.By, From: q.From})
	return wire.Plain{}, err
}

// save saves settings that were derived from a version, brings them into
// force, and returns the version that they have now.
func (s *Settings) save(ctx context.Context, wanted api.Saved[pair.Settings], by pair.Actor) (newest int64, err error) {
	if err := s.Outside.Check(s.InForce.Get().TestIPs, wanted.Values.TestIPs); err != nil {
		return 0, err
	}
	if err := s.trySite(ctx, wanted.Values); err != nil {
		return 0, err
	}
	err = s.Lead.Change(func() (err error) {
		if newest, err = s.Store.Settings.Save(ctx, wanted.Values, wanted.Version, by, wanted.Named...); err != nil {
			return err
		}
		s.InForce.Set(wanted.Values, newest, s.Agent.Decision().State.Record.Role)
		s.Agent.Configure(s.Enforce)
		return nil
	})
	return newest, err
}

// Paired chooses the Primary Site Instance Timeout of a new pair, whose data is here, from
// which of the two tell that their traffic lease is in force: here and there.
func (s *Settings) Paired(ctx context.Context, here, there Leased) error {
	timeout := pair.UsualTimeout
	var why string
	switch {
	case here.InForce && there.InForce:
		timeout, why = pair.LeasedTimeout, "in force on both"
	case here.InForce:
		why = "not known to be in force on " + there.Name
	case there.InForce:
		why = "not in force on " + here.Name
	default:
		why = "not known to be in force on either"
	}
	text := fmt.Sprintf("Primary Site Instance Timeout %d s: the traffic lease is %s.", timeout/time.Second, why)
	return s.Lead.Change(func() error {
		settings, version, err := s.Store.Settings.ChooseTimeout(ctx, timeout, text)
		if err != nil {
			return err
		}
		s.InForce.Set(settings, version, s.Agent.Decision().State.Record.Role)
		s.Agent.Configure(s.Enforce)
		return nil
	})
}

// Leased is an appliance of a new pair, and whether its traffic lease is in force.
type Leased struct {
	Name    string
	InForce bool
}

// trySite refuses another check that the site does not pass while this appliance serves it
// and would hand it over by itself: the backup would have the site within seconds.
func (s *Settings) trySite(ctx context.Context, wanted pair.Settings) error {
	state := s.Agent.Decision().State
	moves := state.Serving() && state.Record.Role == pair.Primary && wanted.AutomaticFailover && !state.Record.Maintenance && !state.Peer.Maintenance
	if !moves || wanted.SiteCheck.IsZero() || wanted.SiteCheck == s.InForce.Get().SiteCheck {
		return nil
	}
	if why := watch.TrySite(ctx, wanted.SiteCheck); why != nil {
		return pair.RefuseField("site_check", "%s, so with this check the site would move to the backup at once: correct it, or start what serves the site first; during a maintenance, as of baton maintenance on, it is saved all the same", cause.Plain(why))
	}
	return nil
}
