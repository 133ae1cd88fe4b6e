package process

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"

	"baton/internal/cgroup"
	"baton/internal/cgroup/listening"
	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/service/keeper"
	"baton/internal/service/program"
)

// Machine runs the commands of services by itself.
type Machine struct {
	sums  program.Sums
	group cgroup.Group // that of all services
	logs  string       // directory

	mu   sync.Mutex
	runs map[string]*family // by the name of the service
}

// On returns a machine that keeps logs below a directory of the appliance's own.
func On(appliance pair.ApplianceID, data string) *Machine {
	return &Machine{group: groupOf(appliance), logs: filepath.Join(data, "log"), runs: map[string]*family{}}
}

// groupOf holds the groups of all services of an appliance.
func groupOf(appliance pair.ApplianceID) cgroup.Group {
	return cgroup.Group("/baton-" + string(appliance))
}

// StopLeft tells what a daemon that was killed has left running to end, and does not wait: the peer
// may be about to start the same. The next daemon waits for it, before it does anything else.
func StopLeft(appliance pair.ApplianceID) {
	groupOf(appliance).Signal(syscall.SIGTERM)
}

// Close lets go of what is empty. What runs goes on.
func (m *Machine) Close() { m.group.Remove() }

// Runner returns what starts and stops a service.
func (m *Machine) Runner(of service.Definition) keeper.Runner {
	return &runner{machine: m, service: of}
}

// family is what runs of a service, or of a check of one.
func (m *Machine) family(name string) *family {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, known := m.runs[name]
	if !known {
		one = newFamily(m.group+cgroup.Group("/"+name), logFile{filepath.Join(m.logs, name+".log")})
		one.adopt()
		m.runs[name] = one
	}
	return one
}

// Stop returns once nothing of a service is left on this machine.
func (m *Machine) Stop(ctx context.Context, of service.Definition) error {
	return m.Runner(of).Stop(ctx)
}

// Order has nothing to do: no other service manager stops what this daemon runs.
func (m *Machine) Order(context.Context, service.List) error { return nil }

// Startable refuses a service that nothing can start on this machine.
func (m *Machine) Startable(_ context.Context, of service.Definition) error {
	if lacks := lacks(of); lacks != "" {
		return errors.New(lacks)
	}
	if len(m.family(of.Name).group.Processes()) > 0 {
		return fmt.Errorf("an earlier service %s, which was removed, still runs: run %s", of.Name, m.ByHand(of))
	}
	return nil
}

// OfSite refuses none: a command has no other name.
func (m *Machine) OfSite(context.Context, service.Definition) error { return nil }

// ByHand is the command by which a person ends a service that Baton no longer keeps.
func (m *Machine) ByHand(of service.Definition) string {
	return "echo 1 > " + filepath.Join(m.family(of.Name).group.Dir(), "cgroup.kill")
}

// Installed implements drystart.Machine.
func (m *Machine) Installed(_ context.Context, of service.Definition) (pair.InstalledService, error) {
	found := pair.InstalledService{Program: program.Of(of), User: of.Command.User, Lacks: lacks(of)}
	if found.Lacks != "" {
		return found, nil
	}
	found.Ports = m.family(of.Name).group.Ports()
	return m.sums.Complete(found, of), nil
}

// Taken implements drystart.Machine.
func (m *Machine) Taken(ports []string) ([]string, error) { return listening.Taken(ports) }

// Log is the end of what a service has written on this machine, oldest first. When it was written is not known.
func (m *Machine) Log(_ context.Context, of service.Definition, lines int) ([]service.Line, error) {
	return m.family(of.Name).log.last(lines)
}

// lacks says why this machine cannot run a service; empty: it can, as far as is known.
func lacks(of service.Definition) string {
	limits := of.Command.Limits
	switch root := cgroup.Root(); {
	case of.Kind() == service.UnitKind:
		return fmt.Sprintf("this machine does not run systemd, which %s needs: name the program as a command", of.Unit)
	case root == "":
		return "this machine runs neither systemd nor control groups of version 2: run mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified, also at each boot"
	case readOnly(root):
		return "the control groups of this machine, " + root + ", cannot be written: mount them for writing, in a container as well"
	case limits.Memory > 0 && !cgroup.Controllers("memory"):
		return "this machine cannot limit the memory of a command, since its control groups of version 2 lack the controller memory: leave out --memory, or start the kernel with cgroup_no_v1=all"
	case limits.Tasks > 0 && !cgroup.Controllers("pids"):
		return "this machine cannot limit the tasks of a command, since its control groups of version 2 lack the controller pids: leave out --tasks, or start the kernel with cgroup_no_v1=all"
	}
	return ""
}

func readOnly(dir string) bool {
	const writable = 2 // W_OK of access(2)
	return syscall.Access(dir, writable) != nil
}

// check is what runs of a check of a service. Nobody else asks it at the same time.
func (m *Machine) check(name string) *family {
	return newFamily(m.group+cgroup.Group("/check."+name), logFile{})
}
