package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"

	"baton/internal/config"
	"baton/internal/listen"
	"baton/internal/pair"
)

// refusedReload is why the newest reload was refused; empty: it was not, or the reason is gone.
type refusedReload struct{ why atomic.Pointer[string] }

func (r *refusedReload) set(why error) {
	text := ""
	if why != nil {
		text = why.Error()
	}
	r.why.Store(&text)
}

func (r *refusedReload) stands() bool {
	why := r.why.Load()
	return why != nil && *why != ""
}

// Conditions tells of it.
func (r *refusedReload) Conditions() []pair.Condition {
	if !r.stands() {
		return nil
	}
	return []pair.Condition{{
		ID: "reload-refused", Severity: pair.Warning,
		Text:     "This appliance refused a reload, and would refuse it now; the daemon goes on with what it read before, and a restart would end as a stop: " + *r.why.Load(),
		NextStep: "Correct what it names, see that baton config check finds it right, and reload again: systemctl reload baton.",
	}}
}

// errWaitsForDisk keeps a process that cannot end from ending: the kernel would have it wait, and with it
// the site.
var errWaitsForDisk = errors.New("a disk with protected data hangs, and this process cannot end while it waits for that: mend the disk first, baton status names it")

// next is the program that would take the place of this process. The error says why it must not.
func (e *ending) next(ctx context.Context) (program string, err error) {
	a := e.appliance
	if a.disks.Hangs() {
		return "", errWaitsForDisk
	}
	if program, err = mayReload(ctx, os.Args); err != nil {
		return "", err
	}
	next, broken := config.Load(a.config.File)
	held, err := a.host.Held(ctx)
	switch {
	case broken != nil:
		return program, nil //nolint:nilerr // that program finds it right: it knows more keys than this one
	case err != nil:
		return "", err
	}
	if err := keepsShared(a.config.SharedIPs, next.SharedIPs, held); err != nil {
		return "", err
	}
	return program, listen.FreeBeside(ctx, a.config, next)
}

// tryAgain finds out whether a reload that was refused would still be. To be told to stop ends it.
func (e *ending) tryAgain(told context.Context) {
	if !e.appliance.refused.stands() {
		return
	}
	if _, err := e.next(told); told.Err() == nil {
		e.appliance.refused.set(err)
	}
}

// keepsShared refuses shared IPs of a new file that would take the site down: one that is on this
// machine now is not among them, or one that is new has an interface that this machine has not.
func keepsShared(before, next, held []pair.SharedIP) error {
	for _, ip := range held {
		if !slices.Contains(next, ip) {
			return fmt.Errorf("the configuration file has no [[shared_ip]] %s on %s any more, which is on this machine now: put it back, or take it off first with baton shared-ip disable %s",
				ip.Address, ip.Interface, ip.Address.Addr())
		}
	}
	for _, ip := range next {
		if _, err := net.InterfaceByName(ip.Interface); err != nil && !slices.Contains(before, ip) {
			return fmt.Errorf("this machine has no interface %s, which the configuration file names for the shared IP %s: correct interface in [[shared_ip]] (ip link lists those that it has)",
				ip.Interface, ip.Address.Addr())
		}
	}
	return nil
}
