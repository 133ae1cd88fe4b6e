package drystart

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/tick"
)

// Options are what a dry start is made of.
type Options struct {
	Name    string                                          // of this appliance
	List    func(ctx context.Context) (service.List, error) // of the services
	Refused func(service service.Definition) string         // why root does not let it run on this machine, in a sentence; empty: root does
	Paths   func(ctx context.Context) ([]string, error)     // of the protected directories here
	Peer    func() (name string, report *pair.Report)       // nil: none lately
	Backup  func() bool                                     // this appliance is one
	Machine Machine
	Log     *slog.Logger
}

// Machine tells how services are installed on it.
type Machine interface {
	// Installed looks at one. An error means that nothing is known.
	Installed(ctx context.Context, service service.Definition) (pair.InstalledService, error)
	// Taken returns those of the ports that a program on this machine has.
	Taken(ports []string) ([]string, error)
}

// lookEvery is how often a machine is looked at. What has been hashed is not read again until
// it changes.
const lookEvery = 20 * time.Second

// mostPorts bounds the ports of one service that are told: with thousands of them the peer would refuse the report.
const mostPorts = 64

// DryStart knows whether the services could be started here.
type DryStart struct {
	opt  Options
	turn chan struct{} // holds a token while somebody looks

	mu          sync.Mutex
	here        *pair.Installed  // nil: not looked yet
	known       bool             // the newest look got as far as to tell
	hindrances  []pair.Condition // what keeps services from being started here
	differences []pair.Condition // from the peer
}

// New returns one that has not looked yet.
func New(opt Options) *DryStart { return &DryStart{opt: opt, turn: make(chan struct{}, 1)} }

// Run looks at the machine until ctx ends. A look that hangs then is left behind.
func (d *DryStart) Run(ctx context.Context) error {
	ticker := tick.Every(lookEvery)
	defer ticker.Stop()
	for {
		d.Look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Look looks at the machine now. If ctx ends first, as when a file system hangs, the look goes on
// without anybody waiting for it, and no other begins meanwhile.
func (d *DryStart) Look(ctx context.Context) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.look(ctx)
		<-d.turn
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

func (d *DryStart) look(ctx context.Context) {
	list, err := d.opt.List(ctx)
	if err != nil {
		d.opt.Log.Warn("the services are not known", slog.String("error", err.Error()))
		d.forget()
		return
	}
	peer, report := d.opt.Peer()
	paths, err := d.opt.Paths(ctx)
	if err != nil {
		d.opt.Log.Warn("the protected directories are not known", slog.String("error", err.Error()))
	}
	here := &pair.Installed{Services: make([]pair.InstalledService, 0, len(list)), Owners: owners(paths)}
	var hindrances []pair.Condition
	for _, one := range list {
		if d.opt.Refused(one) != "" { // a condition says so, and an administrator of the pair must not have root read files of his choice
			continue
		}
		found := d.installed(ctx, one, paths)
		if ctx.Err() != nil {
			return
		}
		found.Lacks = cmp.Or(found.Lacks, missing(found, peer, report))
		here.Services = append(here.Services, found)
		taken, err := d.taken(one.Name, report)
		if err != nil {
			here.PortsUnknown = cause.Of(err)
		}
		if why := cmp.Or(found.Lacks, taken); why != "" && !one.Parked {
			hindrances = append(hindrances, hindered(one, why))
		}
	}
	differences := d.compare(here, peer, report)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.here, d.hindrances, d.differences, d.known = here, hindrances, differences, true
}

func (d *DryStart) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = false
}

// installed is how one service is installed here. What lies in the protected directories at paths comes with the data.
func (d *DryStart) installed(ctx context.Context, of service.Definition, paths []string) pair.InstalledService {
	found, err := d.opt.Machine.Installed(ctx, of)
	if found.Name = of.Name; err != nil {
		found.Lacks = err.Error()
	}
	found.Ports = found.Ports[:min(len(found.Ports), mostPorts)]
	if within(paths, found.Program) {
		found.ProgramSum = ""
		found.Unread = slices.DeleteFunc(found.Unread, func(file string) bool { return within(paths, file) })
	}
	return found
}

// within reports whether a path lies in one of the directories.
func within(directories []string, path string) bool {
	return slices.ContainsFunc(directories, func(dir string) bool { return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") })
}

// missing says that a service has a user that this machine has not. Where the primary has none of that name either, nothing is known: the
// users of a directory service, and one that systemd makes while the service runs, are in no file.
func missing(found pair.InstalledService, peer string, report *pair.Report) string {
	if report == nil {
		return ""
	}
	there, _ := report.Installed.Service(found.Name)
	if found.UserID != "" || there.UserID == "" || found.User != there.User {
		return ""
	}
	return fmt.Sprintf("there is no user %s on this machine, as on %s: make it with useradd, with the number %s", found.User, peer, there.UserID)
}

// taken says which port of a service, which it has on the primary, another program has here.
func (d *DryStart) taken(name string, report *pair.Report) (string, error) {
	if report == nil || !d.opt.Backup() {
		return "", nil
	}
	there, _ := report.Installed.Service(name)
	taken, err := d.opt.Machine.Taken(there.Ports)
	if err != nil || len(taken) == 0 {
		return "", err
	}
	return "another program on this machine has its port " + taken[0] + ": see which with ss -lptun, and stop that", nil
}

// Installed is what the peer is told; nil: nothing is known yet. It is not to be changed.
func (d *DryStart) Installed() *pair.Installed {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.here
}

// Fit reports whether the newest look found nothing that would keep a service from being started here.
func (d *DryStart) Fit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known && len(d.hindrances) == 0
}

// Conditions tells on a backup what would keep services from being started here, and in what it
// differs from its primary.
func (d *DryStart) Conditions() []pair.Condition {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.hindrances)+len(d.differences) == 0 || !d.opt.Backup() {
		return nil
	}
	return slices.Concat(d.hindrances, d.differences)
}
