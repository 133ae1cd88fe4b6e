package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/datasync/source/directory"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/sharedip"
	"baton/internal/store"
)

// Settings implements api.SettingsStore. A backup tells what it last heard from
// its primary.
func (b *backend) Settings(ctx context.Context) (api.Saved[pair.Settings], error) {
	saved, version, err := b.site.Settings(ctx)
	if b.agent.Look().State.Record.Role == pair.Backup {
		saved, version = b.settings.Versioned()
	}
	return api.Saved[pair.Settings]{Values: saved, Version: version}, act.Failure(err)
}

// SaveSettings implements api.SettingsStore. On the backup, the primary saves
// them and tells them with the next exchange.
func (b *backend) SaveSettings(ctx context.Context, wanted api.Saved[pair.Settings]) (api.Saved[pair.Settings], error) {
	if b.agent.Look().State.Record.Role == pair.Backup {
		return b.saveAtPrimary(ctx, wanted)
	}
	version, err := b.saveSettings(ctx, wanted.Values, wanted.Version, act.By(ctx))
	if err != nil {
		return api.Saved[pair.Settings]{}, act.Failure(err)
	}
	sum := wanted.Values.Sum()
	err = b.overview.Acknowledged(ctx, "the settings are saved", func(seen agent.Seen) bool {
		now := b.settings.Get().Sum()
		kept := seen.State.Record.Role != pair.Backup || now == sum // the role may have changed meanwhile
		return kept && seen.Config.SettingsSum == now
	})
	return api.Saved[pair.Settings]{Values: wanted.Values, Version: version}, err
}

// saveAtPrimary has the primary save settings, and waits until it tells them.
func (b *backend) saveAtPrimary(ctx context.Context, wanted api.Saved[pair.Settings]) (api.Saved[pair.Settings], error) {
	current, version := b.settings.Versioned()
	if err := b.outside.Check(b.settings.Get().TestIPs, wanted.Values.TestIPs); err != nil {
		return api.Saved[pair.Settings]{}, act.Failure(err)
	}
	question := wire.Settings{Changes: map[string]string{}, WantVersion: wanted.Version, By: act.By(ctx).Name, From: act.By(ctx).From}
	for _, change := range pair.Changes(current, wanted.Values) {
		question.Changes[change.Key] = change.After
	}
	if err := peer.Ask(ctx, b.link.Bulk(), wire.PathSettings, question); err != nil {
		return api.Saved[pair.Settings]{}, act.Failure(err)
	}
	b.exchange.All(ctx) // brings them at once
	saved, err := b.Settings(ctx)
	if err == nil && len(question.Changes) > 0 && saved.Version == version {
		err = pair.Refuse(pair.Unreachable, "the primary saved the settings, and has not told them yet: look again in a moment")
	}
	return saved, err
}

// EnableSharedIP implements api.Reaching.
func (b *backend) EnableSharedIP(ctx context.Context, address netip.Addr) error {
	if !b.managed(address) {
		return pair.Refuse(pair.NotFound, "%s is not in this appliance's configuration file: add a [[shared_ip]] for it there, and restart", address)
	}
	if err := b.permitted(address); err != nil {
		return err
	}
	role := b.agent.Look().State.Record.Role
	owner, free := "", false
	if role != pair.Backup { // there its primary has the address, as it should
		owner, free = b.usedElsewhere(ctx, address)
	}
	// The appliance that a standalone one is about to be paired with may have it, too:
	// until the address is free it waits, with a condition.
	if role == pair.Primary && owner != "" {
		return pair.Refuse(pair.Refused, "another machine, %s, answers for %s: take the address off there first", owner, address)
	}
	err := b.tick(ctx, "enabled", address, func(ticked []string) []string { return append(ticked, address.String()) })
	b.agent.Tell(ctx, failover.AddressTicked{Free: free})
	return err
}

// permitted refuses an address that this process could never put on.
func (b *backend) permitted(address netip.Addr) error {
	i := slices.IndexFunc(b.config.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == address })
	if err := b.host.Permitted(b.config.SharedIPs[i].Interface); errors.Is(err, sharedip.ErrNotPermitted) {
		return pair.Refuse(pair.Refused, "%s cannot be shared here: %w", address, cause.Plain(err))
	}
	return nil // an interface that is not there yet may come
}

// usedElsewhere asks the link which machine has an address, and whether it is
// known that none has.
func (b *backend) usedElsewhere(ctx context.Context, address netip.Addr) (owner string, free bool) {
	const wait = 500 * time.Millisecond
	i := slices.IndexFunc(b.config.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == address })
	owners, err := b.host.Probe(ctx, b.config.SharedIPs[i:i+1], wait)
	if len(owners) > 0 {
		return owners[0].MAC.String(), false
	}
	return "", err == nil
}

// DisableSharedIP implements api.Reaching.
func (b *backend) DisableSharedIP(ctx context.Context, address netip.Addr) error {
	if !b.managed(address) {
		return pair.Refuse(pair.NotFound, "%s is not in this appliance's configuration file", address)
	}
	return b.tick(ctx, "disabled", address, func(ticked []string) []string { return ticked })
}

// tick changes whether an address is shared, and what is on the interface.
func (b *backend) tick(ctx context.Context, what string, address netip.Addr, change func([]string) []string) error {
	err := b.local.Save(ctx, func(s *store.State) {
		others := slices.DeleteFunc(slices.Clone(s.SharedIPs), func(ip string) bool { return ip == address.String() })
		s.SharedIPs = change(others)
	})
	if err != nil {
		return act.Failure(err)
	}
	b.ips.keepOut()
	b.agent.Configure(ctx, b.enforce)
	b.lead.Audit.Note(ctx, "%s the shared IP %s", what, address)
	return nil
}

// Services implements api.Services.
func (b *backend) Services(context.Context) ([]api.Service, error) { return []api.Service{}, nil }

// AddService implements api.Services.
func (b *backend) AddService(context.Context, api.Service) error {
	return act.NotYet("running services")
}

// RemoveService implements api.Services.
func (b *backend) RemoveService(context.Context, string) error {
	return act.NotYet("running services")
}

// DivergedCopies implements api.DivergedCopies.
func (b *backend) DivergedCopies(context.Context) ([]pair.DivergedCopy, error) {
	copies, err := b.engine.Diverged()
	return copies, act.Failure(err)
}

// DeleteDiverged implements api.DivergedCopies.
func (b *backend) DeleteDiverged(ctx context.Context, id string) error {
	if err := b.engine.Delete(id); err != nil {
		return act.Failure(err)
	}
	b.lead.Audit.Note(ctx, "deleted the diverged copy %s", id)
	return nil
}

// ExportDiverged implements api.DivergedCopies.
func (b *backend) ExportDiverged(ctx context.Context, id string, to io.Writer) error {
	from, err := b.engine.CopyPath(id)
	if err != nil {
		return act.Failure(err)
	}
	dir, err := os.MkdirTemp(b.config.DataDir, "export-")
	if err != nil {
		return fmt.Errorf("make room for the export: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is under a name that says what it is
	if err := directory.Export(ctx, from, dir); err != nil {
		return act.Failure(err)
	}
	if err := withoutSecrets(ctx, filepath.Join(dir, "site.db")); err != nil {
		return act.Failure(err)
	}
	return writeTar(to, dir)
}

// withoutSecrets makes a copy of the site database one that may be handed out; not
// every diverged copy has one.
func withoutSecrets(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return store.StripSecrets(ctx, path)
}
