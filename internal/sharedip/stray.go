package sharedip

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
)

// Stray is a managed address that is on an interface of this machine although it
// was not claimed here: another program has put it on.
type Stray struct {
	IP        pair.SharedIP
	Interface string // where it is
}

// takeOffEvery bounds how often a stray is taken off: the program that puts it on may do
// so again at once.
const takeOffEvery = time.Minute

// lookForStrays takes strays off the interface that the configuration names, and
// tells which there are when that changes. One on another interface stays: nobody
// knows what for.
func (r *runner) lookForStrays() {
	strays := r.host.strays(time.Now())
	if slices.Equal(strays, r.strays) {
		return
	}
	r.strays = strays
	if r.on.Strays != nil {
		r.on.Strays(strays)
	}
}

// unclaimed reports whether a change is of a managed address that is not wanted here.
func (h *Host) unclaimed(update netlink.AddrUpdate) bool {
	ip, _ := netip.AddrFromSlice(update.LinkAddress.IP)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.manages(ip.Unmap()) && !slices.ContainsFunc(h.wanted, func(w pair.SharedIP) bool { return w.Address.Addr() == ip.Unmap() })
}

// strays lists the strays there are, and takes off those that may be.
func (h *Host) strays(now time.Time) (found []Stray) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen, err := h.kernel.survey(h.managed)
	if err != nil {
		h.log.Warn("addresses not read", slog.Any("error", err))
		return nil
	}
	for _, addr := range seen.addrs {
		stray, ok := h.strayAt(addr)
		if !ok {
			continue
		}
		found = append(found, stray)
		if stray.Interface != stray.IP.Interface || now.Sub(h.tookOff[stray.IP]) < takeOffEvery {
			continue
		}
		h.tookOff[stray.IP] = now
		h.log.Warn("a shared IP that is not claimed here is taken off", slog.String("shared_ip", stray.IP.String()))
		if err := h.kernel.take(addr); err != nil {
			h.log.Error("shared IP not taken off", slog.Any("error", err))
		}
	}
	slices.SortFunc(found, func(a, b Stray) int {
		return slices.Compare([]string{a.IP.String(), a.Interface}, []string{b.IP.String(), b.Interface})
	})
	return found
}

// strayAt judges an address of the kernel's. What has as short a lifetime as our own
// claims is one that could not be taken off, and goes by itself. The mutex is held.
func (h *Host) strayAt(addr netlink.Addr) (Stray, bool) {
	i := slices.IndexFunc(h.managed, func(ip pair.SharedIP) bool { return ip.Address.Addr() == prefixOf(addr).Addr() })
	if i < 0 || slices.Contains(h.wanted, h.managed[i]) {
		return Stray{}, false
	}
	name := ""
	if link, err := netlink.LinkByIndex(addr.LinkIndex); err == nil {
		name = link.Attrs().Name
	}
	ours := name == h.managed[i].Interface && addr.ValidLft > 0 && addr.ValidLft <= lifetime(longestLease)
	return Stray{IP: h.managed[i], Interface: name}, name != "" && !ours
}

// longestLease is the longest that an address is claimed for at a time.
const longestLease = 2 * time.Second
