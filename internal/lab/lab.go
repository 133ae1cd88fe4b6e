package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	maxHosts = 250
	diskName = "disk"
)

// Options say what a lab is made of.
type Options struct {
	Log *slog.Logger // nil: silent
	// Dir is where the lab makes its own directory; the zero value is a directory
	// of the user's own below the temporary one. Keep it short: a unix socket's
	// path has 107 bytes at most.
	Dir string
	// Prefix begins the name of the lab's own directory; the zero value is "lab".
	Prefix string
	Hosts  []HostSpec // nil: Cast()
}

// HostSpec describes one host.
type HostSpec struct {
	Name      string         // at most 12 letters and digits
	Addresses []netip.Prefix // on eth0
	// Disk gives the host a file system of its own of that many bytes, which
	// loses on a power cut what was not made durable, and can be full. It needs root
	// and loop devices. 0: a directory of the machine's file system, which loses nothing.
	Disk       int64
	FileSystem FileSystem // of that; the zero value: Ext4
}

// ApplianceHeader is the response header in which an appliance gives its name.
const ApplianceHeader = "X-Baton-Appliance"

// Cast returns the usual hosts: two appliances, a gateway that answers pings,
// and a client.
func Cast() []HostSpec {
	return []HostSpec{
		Spec("alpha", "198.51.100.1/24", "2001:db8::1/64"),
		Spec("beta", "198.51.100.2/24", "2001:db8::2/64"),
		Spec("gateway", "198.51.100.254/24", "2001:db8::fe/64"),
		Spec("client", "198.51.100.100/24", "2001:db8::64/64"),
	}
}

// Spec describes a host in literals; an address that is none panics.
func Spec(name string, addresses ...string) HostSpec {
	spec := HostSpec{Name: name}
	for _, address := range addresses {
		spec.Addresses = append(spec.Addresses, netip.MustParsePrefix(address))
	}
	return spec
}

// Lab is a switch with the hosts that are plugged into it.
type Lab struct {
	dir   string
	log   *slog.Logger
	sw    *exchange
	hosts []*Host
	stop  func() bool
	once  sync.Once
	ended error
}

// New makes the switch and the hosts, after it has removed what labs of dead
// processes left. The lab lasts until Close, the end of ctx, or the end of the
// process. The caller must be root, or have gone through Enter.
func New(ctx context.Context, opts Options) (*Lab, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := makeDir(opts)
	if err != nil {
		return nil, err
	}
	lab := &Lab{dir: dir, log: opts.Log, stop: func() bool { return true }}
	if err := lab.build(opts.Hosts); err != nil {
		return nil, errors.Join(fmt.Errorf("make the lab: %w", err), lab.Close())
	}
	lab.stop = context.AfterFunc(ctx, func() { _ = lab.Close() })
	return lab, nil
}

func (l *Lab) build(specs []HostSpec) (err error) {
	if err := os.Mkdir(l.Disk(), 0o700); err != nil {
		return fmt.Errorf("make a place for the disks: %w", err)
	}
	if l.sw, err = newExchange(); err != nil {
		return err
	}
	if specs == nil {
		specs = Cast()
	}
	if len(specs) > maxHosts {
		return fmt.Errorf("%d hosts: a lab has %d at most", len(specs), maxHosts)
	}
	for i, spec := range specs {
		host, err := l.newHost(spec, byte(i+1))
		if err != nil {
			return fmt.Errorf("host %s: %w", spec.Name, err)
		}
		l.hosts = append(l.hosts, host)
	}
	return nil
}

// Dir is the lab's own directory; each host has one below it.
func (l *Lab) Dir() string { return l.dir }

// Disk is a path, the same on every host, at which programs on a host find that
// host's own directory: two hosts keep different files under equal names there.
// To this process it is an empty directory; see Host.Dir.
func (l *Lab) Disk() string { return filepath.Join(l.dir, diskName) }

// Hosts lists the hosts in the order of Options.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Host returns the host of that name, or nil.
func (l *Lab) Host(name string) *Host {
	for _, host := range l.hosts {
		if host.name == name {
			return host
		}
	}
	return nil
}

// Close kills every process in the lab and removes all of it. It is safe to
// call more than once.
func (l *Lab) Close() error {
	l.once.Do(func() {
		l.stop()
		for _, host := range l.hosts {
			l.ended = errors.Join(l.ended, host.end(), host.disk.scrap())
		}
		if l.sw != nil {
			l.sw.close()
		}
		if err := os.RemoveAll(l.dir); err != nil {
			l.ended = errors.Join(l.ended, fmt.Errorf("remove the lab's directory: %w", err))
		}
	})
	return l.ended
}

func (l *Lab) newHost(spec HostSpec, number byte) (*Host, error) {
	if len(spec.Name) == 0 || len(spec.Name) > 12 || spec.Name == diskName || strings.ContainsAny(spec.Name, "/. ") {
		return nil, fmt.Errorf("%q cannot name a host: use 1 to 12 letters", spec.Name)
	}
	host := &Host{
		name: spec.Name, number: number, addresses: spec.Addresses, log: l.log,
		dir: filepath.Join(l.dir, spec.Name), place: l.Disk(), mark: mark(l.dir), processes: map[*Process]struct{}{},
	}
	if err := host.furnishDisk(l.dir, spec.Disk, cmp.Or(spec.FileSystem, Ext4)); err != nil {
		return nil, err
	}
	if err := host.boot(l.sw); err != nil {
		return nil, err
	}
	return host, nil
}

// furnishDisk gives the host a place for its files.
func (h *Host) furnishDisk(dir string, size int64, with FileSystem) (err error) {
	if size > 0 {
		h.disk, err = newDisk(dir, h.name, size, with)
		return err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("make its directory: %w", err)
	}
	return nil
}
