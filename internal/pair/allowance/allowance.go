// Package allowance says which directories may be protected on a machine.
//
// Start reading at Allowance.
package allowance

import (
	"fmt"
	"slices"
	"strings"

	"baton/internal/pair"
)

// Allowance says which directories may be protected on one machine. Neither the peer
// nor an administrator of the pair can extend it, only root on that machine.
type Allowance struct {
	Trees []string // of the configuration file: what lies in one may be protected, see Guarded
	Own   []string // by root's word besides: these, and what lies in them
	// Led is where links of root's lead from what MayLead lists: what is really there is
	// guarded as well.
	Led map[string]string
}

// DefaultTrees are the trees of a machine whose configuration names none.
func DefaultTrees() []string {
	return []string{"/srv", "/var/www", "/home", "/opt", "/var/lib", "/var/opt", "/var/mail", "/data", "/mnt", "/media"}
}

// Guarded lists what is not protected just because it lies in a tree that may be: who
// writes there becomes root, reads secrets of the machine, or keeps it from starting.
func Guarded() []string {
	return []string{
		// the system
		"/etc", "/root", "/boot", "/efi", "/proc", "/sys", "/dev", "/run", "/var/run", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/snap",
		// run as root at a time or an event
		"/var/spool/cron", "/var/spool/at", "/var/spool/anacron", "/var/lib/cloud", "/var/lib/systemd", "/var/lib/dkms", "/var/lib/initramfs-tools",
		// packages, and what is laid over the system
		"/var/lib/dpkg", "/var/lib/apt", "/var/lib/rpm", "/var/lib/dnf", "/var/lib/pacman", "/var/lib/ucf", "/var/lib/PackageKit", "/var/lib/snapd", "/var/lib/flatpak",
		"/var/lib/extensions", "/var/lib/confexts", "/var/lib/portables", "/var/lib/machines",
		// who may do what
		"/var/lib/polkit-1", "/var/lib/sudo", "/var/lib/pam", "/var/lib/sss", "/var/lib/AccountsService", "/var/lib/selinux", "/var/lib/apparmor", "/var/lib/private",
		// containers and machines that root starts
		"/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/incus", "/var/lib/libvirt", "/var/lib/kubelet",
		"/var/lib/rancher", "/opt/cni", "/opt/containerd",
		// agents that do as they are told
		"/var/lib/puppet", "/var/lib/chef", "/var/lib/waagent", "/var/lib/amazon", "/opt/puppetlabs", "/opt/chef",
	}
}

// Refuses returns why a path, without links, may not be protected; empty: it may.
func (a Allowance) Refuses(path string) string {
	if slices.Contains(a.Own, path) {
		return ""
	}
	guards := a.guardsOf(path)
	inTree := false
	for _, tree := range slices.Concat(a.Own, a.Trees) {
		if !pair.Within(path, tree) {
			continue
		}
		inTree = true
		if !slices.ContainsFunc(guards, func(guard string) bool { return !pair.Within(tree, guard) }) {
			return ""
		}
	}
	switch {
	case len(guards) == 0 || !inTree:
		return "it lies in none of the trees that may be protected there"
	case pair.Within(path, guards[0]):
		return "what lies in " + guards[0] + " is of the machine, or of who signs in there"
	}
	return "it holds " + guards[0] + ", which is of the machine, or of who signs in there"
}

// homes lists where the directories of people lie.
func homes() []string { return []string{"/home", "/var/home"} }

// MayLead lists the places from which a link of root's may lead elsewhere, see Led.
func MayLead() []string { return append(Guarded(), homes()...) }

// places returns each place and where a link leads from it.
func (a Allowance) places(of ...string) []string {
	for _, place := range slices.Clip(of) {
		if led := a.Led[place]; led != "" {
			of = append(of, led)
		}
	}
	return of
}

// guardsOf returns what is guarded in, at or around a path: besides the list, home
// directories, what is hidden right in one, and keys of who signs in.
func (a Allowance) guardsOf(path string) []string {
	var guards []string
	for _, guard := range a.places(Guarded()...) {
		if pair.Within(path, guard) || pair.Within(guard, path) {
			guards = append(guards, guard)
		}
	}
	for _, homes := range a.places(homes()...) {
		switch {
		case pair.Within(path, homes):
			guards = append(guards, guardedHome(homes, strings.TrimPrefix(path[len(homes):], "/"))...)
		case pair.Within(homes, path):
			guards = append(guards, homes+"/USER")
		}
	}
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, name := range names {
		if name == ".ssh" || name == ".gnupg" {
			guards = append(guards, "/"+strings.Join(names[:i+1], "/"))
		}
	}
	return guards
}

// guardedHome returns what is guarded of the home directories by a path below them.
func guardedHome(homes, below string) []string {
	user, inner, deeper := strings.Cut(below, "/")
	hidden, _, _ := strings.Cut(inner, "/")
	switch {
	case below == "":
		return []string{homes + "/USER"}
	case !deeper:
		return []string{homes + "/" + user}
	case strings.HasPrefix(hidden, "."):
		return []string{homes + "/" + user + "/" + hidden}
	}
	return nil
}

// Refusal returns the sentence for a path that may not be protected on the machine of
// that name, without its full stop; empty: it may. Path is what was named, real the
// same without links.
func (a Allowance) Refusal(machine, path, real string) string {
	why := a.Refuses(real)
	if why == "" {
		return ""
	}
	leads := ""
	if path != real {
		leads = " (it leads to " + real + ")"
	}
	return fmt.Sprintf("The configuration of %s does not allow %s%s to be protected: %s; if it should be, run as root there: baton data allow %s", machine, path, leads, why, real)
}
