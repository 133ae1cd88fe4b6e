package watch

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"baton/internal/lease"
	"baton/internal/pair"
	"baton/internal/sharedip"
)

// strayID is the condition of a shared IP that is on a machine although it does not
// serve the site there. The peer recognises it in what this appliance tells.
const strayID = "shared-ip-stray"

// Strays are the shared IPs that other programs have put on this machine.
type Strays struct {
	Name    string // of this appliance
	Traffic *lease.Lease
	Fresh   func() *pair.PeerReport // the peer's report of now; nil: none

	now atomic.Pointer[[]sharedip.Stray]
}

// Note silences the shared IPs that another program has put on this machine:
// neighbours must not take it for the one that serves.
func (s *Strays) Note(strays []sharedip.Stray) {
	s.now.Store(&strays)
	var ips []pair.SharedIP
	for _, stray := range strays {
		if !slices.Contains(ips, stray.IP) {
			ips = append(ips, stray.IP)
		}
	}
	s.Traffic.Silence(ips)
}

// Conditions tells of strays here, and of those that the peer tells of.
func (s *Strays) Conditions() (found []pair.Condition) {
	var strays []sharedip.Stray
	if known := s.now.Load(); known != nil {
		strays = *known
	}
	if len(strays) > 0 {
		places := make([]string, len(strays))
		for i, stray := range strays {
			places[i] = fmt.Sprintf("%s on %s", stray.IP.Address.Addr(), stray.Interface)
		}
		text := "Another program has put a shared IP on " + s.Name + ", which does not serve the site: " + strings.Join(places, ", ") + "."
		if s.Traffic.InForce() {
			text += " The traffic lease keeps it silent."
		}
		found = append(found, pair.Condition{
			ID: "shared-ip-stray", Severity: pair.Critical, Text: text,
			NextStep: "Find the program that puts it on, and take the address off: ip address del ADDRESS dev INTERFACE. Baton takes it off the interface of the configuration file by itself, at most once a minute.",
		})
	}
	if report := s.Fresh(); report != nil {
		if i := slices.IndexFunc(report.Conditions, func(c pair.Condition) bool { return c.ID == strayID }); i >= 0 {
			found = append(found, pair.Condition{
				ID: "peer-shared-ip-stray", Severity: pair.Critical, Text: "The peer reports: " + report.Conditions[i].Text,
				NextStep: "On the peer: " + report.Conditions[i].NextStep,
			})
		}
	}
	return found
}
