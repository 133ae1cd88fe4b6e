package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/store"
)

// ownAddress is the address that connections to the peer start from: never the
// shared IP.
func (a *Appliance) ownAddress() netip.Addr {
	for _, listen := range a.config.Listen {
		if at, err := netip.ParseAddrPort(listen); err == nil && !at.Addr().IsUnspecified() && !a.managed(at.Addr()) {
			return at.Addr()
		}
	}
	return netip.Addr{}
}

// reverseAddress is what a new backup is told to reach this appliance at: an own
// address of listen, or the first one of this machine that is no shared IP.
func (a *Appliance) reverseAddress() string {
	own := a.ownAddress()
	if !own.IsValid() {
		own = a.firstAddress()
	}
	if !own.IsValid() {
		return ""
	}
	return net.JoinHostPort(own.String(), strconv.Itoa(cmp.Or(a.port(), defaultPort)))
}

// defaultPort is the TLS port of a peer.
const defaultPort = 443

func (a *Appliance) firstAddress() netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() && !a.managed(prefix.Addr()) {
			return prefix.Addr()
		}
	}
	return netip.Addr{}
}

func (a *Appliance) managed(addr netip.Addr) bool {
	return slices.ContainsFunc(a.config.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == addr })
}

// hello describes this appliance to one that it is being paired with.
func (a *Appliance) hello() peer.Hello {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	record := a.local.State().Record
	hello := peer.Hello{Name: a.config.Name, Version: a.version, Role: record.Role, Epoch: record.Epoch}
	protected, err := a.site.Data(ctx)
	if err != nil {
		a.log.Error("protected data not readable", slog.String("error", err.Error()))
		hello.HoldsData = true // rather ask than replace
		return hello
	}
	if hello.HoldsData = len(protected) > 0 || !record.Epoch.IsZero(); hello.HoldsData {
		pieces := "1 piece"
		if len(protected) != 1 {
			pieces = fmt.Sprintf("%d pieces", len(protected))
		}
		hello.Data = fmt.Sprintf("%s of protected data, epoch %s", pieces, record.Epoch)
	}
	return hello
}

// paired makes the role of a new relationship durable.
//
//nolint:revive // the flag is the link's word, not ours
func (a *Appliance) paired(pinned peer.Pinned, asBackup bool) error {
	role := pair.Primary
	if asBackup {
		role = pair.Backup
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a.agent.Configure(ctx, func(c *failover.Config) { a.enforce(c); c.PairID = pinned.PairID })
	if a.agent.Look().State.Record.Role == role {
		return nil // repeated, after a cut
	}
	return a.agent.Do(ctx, failover.BecomePaired{Role: role})
}

// unpaired makes the end of a relationship durable. A backup keeps its copy of
// the data, but its shared IP is no longer ticked: the other side has it.
func (a *Appliance) unpaired(former peer.Pinned) {
	a.overview.Names.Note(map[pair.ApplianceID]string{former.ID: former.Name})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if a.agent.Look().State.Record.Role == pair.Backup {
		if err := a.local.Save(ctx, func(s *store.State) { s.SharedIPs = []string{} }); err != nil {
			a.log.Error("shared ips not disabled", slog.String("error", err.Error()))
		}
	}
	a.agent.Configure(ctx, a.enforce)
	if err := a.agent.Do(ctx, failover.BecomeStandalone{}); err != nil {
		a.log.Error("relationship not ended", slog.String("error", err.Error()))
	}
}
