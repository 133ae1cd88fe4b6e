package unit

import (
	"cmp"
	"context"
	"slices"

	"baton/internal/cgroup/listening"
	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/service/program"
	"baton/internal/systemd"
)

// Installed implements drystart.Machine.
func (m *Machine) Installed(ctx context.Context, of service.Definition) (found pair.InstalledService, err error) {
	err = m.do(ctx, func(conn *systemd.Manager) error {
		unit, err := conn.Unit(ctx, of.RunsAs())
		found = pair.InstalledService{Program: program.Of(of), User: of.Command.User, Ports: conn.Ports(ctx, unit)}
		if err == nil && of.Unit != "" {
			err = m.unit(ctx, conn, unit, &found)
		}
		return err
	})
	if err != nil || found.Lacks != "" {
		return found, err
	}
	return m.sums.Complete(found, of), nil
}

// unit looks at a unit. Of a timer, what it starts counts as well.
func (m *Machine) unit(ctx context.Context, conn *systemd.Manager, unit systemd.Unit, found *pair.InstalledService) error {
	found.Lacks, found.User, found.Program = unit.Unloadable(), unit.User, unit.Program
	found.UnitSum, found.Unread = m.sums.Files(append([]string{unit.File}, unit.DropIns...))
	if len(unit.Triggers) == 0 {
		return nil
	}
	started, err := conn.Unit(ctx, unit.Triggers[0])
	if err != nil {
		return err
	}
	found.User, found.Program, found.Lacks = started.User, started.Program, cmp.Or(found.Lacks, started.Unloadable())
	found.UnitSum, found.Unread = m.sums.Files(slices.Concat([]string{unit.File, started.File}, unit.DropIns, started.DropIns))
	return nil
}

// Taken implements drystart.Machine.
func (m *Machine) Taken(ports []string) ([]string, error) { return listening.Taken(ports) }
