package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// checkBoth tells what has to be the same on both machines, or to be there on both, for a switch to
// succeed. What stands against it is told by conditions; this tells that it was looked at.
func (d *Checks) checkBoth(ctx context.Context) []api.Check {
	const most = 5 * time.Second // a disk may hang: then it goes by what was found before
	soon, cancel := context.WithTimeout(ctx, most)
	d.Overview.DryStart.Look(soon)
	cancel()
	pinned, _ := d.Overview.Link.Paired()
	report := d.Overview.Fresh()
	if report == nil {
		return []api.Check{unseen(pinned.Name)}
	}
	status, err := d.Overview.Status(ctx)
	if err != nil {
		return nil
	}
	b := bothSides{own: d.Overview.Name, peer: pinned.Name, here: d.Overview.Report(ctx, time.Now()), there: report.Report}
	for _, notice := range status.Notices() {
		b.open = append(b.open, notice.ID)
	}
	return b.checks()
}

// unseen is of a peer that has not reported: nothing can be compared.
func unseen(peer string) api.Check {
	return api.Warn(api.Fail("dry-start", "Whether the site could run on both appliances is not known: "+peer+" has not reported.",
		"Bring the contact with the peer back, and look again."))
}

// bothSides are the two appliances, as they have reported.
type bothSides struct {
	own, peer   string
	here, there pair.Report
	open        []string // ids of the open conditions of both
}

func (b bothSides) checks() (checks []api.Check) {
	checks = append(checks, b.versions())
	if services := b.services(); services != nil {
		checks = append(checks, *services)
	}
	if owners := b.owners(); owners != nil {
		checks = append(checks, *owners)
	}
	if back := b.wayBack(); back != nil {
		checks = append(checks, *back)
	}
	return checks
}

func (b bothSides) versions() api.Check {
	if b.here.Version == b.there.Version {
		return api.Pass("versions", "Both appliances run version "+b.here.Version+" of Baton.")
	}
	return api.Warn(api.Fail("versions", fmt.Sprintf("%s runs version %s of Baton, and %s version %s.", b.own, b.here.Version, b.peer, b.there.Version),
		"Install the same version on both: the backup first."))
}

// is reports whether one of the conditions is open: it is told by itself.
func (b bothSides) is(ids ...string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(b.open, id) })
}

func (b bothSides) services() *api.Check {
	here, there := b.here.Installed, b.there.Installed
	switch {
	case here == nil || len(here.Services) == 0 || b.is("dry-start-failed", "services-differ", "service-not-allowed"):
		return nil
	case there == nil || len(there.Services) != len(here.Services):
		return new(api.Warn(api.Fail("dry-start", "Whether the site's services could run on both appliances is not known: "+b.peer+" has not told how they are installed there.",
			"See that both run the same version of Baton, and look again in a minute.")))
	}
	names := make([]string, len(here.Services))
	for i, one := range here.Services {
		names[i] = one.Name
	}
	primary, backup, machine := here, there, b.peer
	if b.here.Role == pair.Backup {
		primary, backup, machine = there, here, b.own
	}
	listens := slices.ContainsFunc(primary.Services, func(s pair.InstalledService) bool { return len(s.Ports) > 0 })
	unknown := slices.Concat(unread(here, b.own), unread(there, b.peer))
	if listens && backup.PortsUnknown != "" {
		unknown = append(unknown, fmt.Sprintf("which ports are free on %s (%s)", machine, backup.PortsUnknown))
	}
	if len(unknown) > 0 {
		return new(api.Warn(api.Fail("dry-start", fmt.Sprintf("Whether the site's services (%s) could run on both appliances is not known in all. Not compared: %s.", strings.Join(names, ", "), strings.Join(unknown, "; ")),
			"Compare this by hand: sha256sum FILE on both for a file, ss -lptun on the backup for ports.")))
	}
	text := "The site's services (%s) are allowed on both appliances, with the same unit files, programs and users"
	if listens {
		text += "; no other program has their ports on the backup"
	}
	return new(api.Pass("dry-start", fmt.Sprintf(text+".", strings.Join(names, ", "))))
}

// unread are the files of services that could not be read on a machine.
func unread(installed *pair.Installed, machine string) (all []string) {
	for _, one := range installed.Services {
		for _, file := range one.Unread {
			all = append(all, fmt.Sprintf("%s of %s on %s", file, one.Name, machine))
		}
	}
	return all
}

func (b bothSides) owners() *api.Check {
	primary := b.there.Installed
	if b.here.Role == pair.Primary {
		primary = b.here.Installed
	}
	if primary == nil || len(primary.Owners) == 0 || b.is("owners-differ") {
		return nil
	}
	return new(api.Pass("owners", "The owners of the protected data have the same numbers on both appliances."))
}

func (b bothSides) wayBack() *api.Check {
	reaches, who, whom := b.here.Reaches, b.own, b.peer
	if b.here.Role == pair.Backup {
		reaches, who, whom = b.there.Reaches, b.peer, b.own
	}
	if reaches == nil || !*reaches {
		return nil
	}
	return new(api.Pass("way-back", fmt.Sprintf("%s gets through to %s, which matters after a switch.", who, whom)))
}
