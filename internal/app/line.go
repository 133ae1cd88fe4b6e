package app

import (
	"fmt"

	"baton/internal/pair"
)

// linkConditions tell what is wrong on the way to the peer, while it answers.
func (a *Appliance) linkConditions() (found []pair.Condition) {
	if lost, is := a.link.Unresolved(); is {
		text := fmt.Sprintf("The name of the peer, %s, cannot be looked up.", lost.Name)
		if lost.Used != "" {
			text += fmt.Sprintf(" The last address that worked is used: %s.", lost.Used)
		}
		found = append(found, pair.Condition{
			ID: "peer-name-unresolved", Severity: pair.Warning, Text: text,
			NextStep: "Look at the name servers of this machine (/etc/resolv.conf) and at that name; or name the peer by its IP address: break the relationship, and establish it again.",
		})
	}
	return found
}
