package failovertest

import (
	"baton/internal/failover"
	"baton/internal/pair"
)

// Network is what lies between the two appliances and the gateway.
type Network struct {
	// Link says which way frames pass: Link[i] from appliance i to the other.
	Link     [2]bool
	Mute     bool    // what goes through the peer link is lost, though frames pass
	Squatter bool    // a third machine has the shared IP
	Gateway  [2]bool // appliance i reaches the test IPs, and they reach it
	Cache    int     // whom the gateway takes for the owner of the shared IP: 0 nobody, else side+1
	Cached   failover.Instant
	Mismatch pair.PollFailure // why no poll gets through though the link is whole
}

// Cable plugs an appliance's cable in, or pulls it.
func (n *Network) Cable(side int, plugged bool) {
	n.Gateway[side] = plugged
	n.Link = [2]bool{plugged, plugged}
}

// Heal mends the network.
func (n *Network) Heal() {
	n.Link, n.Gateway, n.Mute, n.Mismatch = [2]bool{true, true}, [2]bool{true, true}, false, pair.NoAnswer
}

// linked reports whether messages pass between the two, both ways.
func (n *Network) linked() bool { return n.Link[Alpha] && n.Link[Beta] && !n.Mute }

// sends reports whether a message of an appliance reaches the other.
func (n *Network) sends(side int) bool { return n.Link[side] && !n.Mute }

// announce has the gateway take an appliance for the owner of the shared IP.
func (n *Network) announce(side int, now failover.Instant) {
	if n.Gateway[side] {
		n.Cache, n.Cached = side+1, now
	}
}

// remember keeps the owner of the shared IP in the gateway's cache while it answers, and
// forgets it some time after.
func (n *Network) remember(side int, answers bool, now failover.Instant) {
	switch {
	case n.Cache != side+1:
	case answers && n.Gateway[side]:
		n.Cached = now
	case now.Sub(n.Cached) > memory:
		n.Cache = 0
	}
}

// owner tells whom the gateway sends to, as a lost-address check finds out.
func (n *Network) owner(side int) failover.Owner {
	switch {
	case !n.Gateway[side]:
		return failover.OwnerUnknown
	case n.Cache == 0:
		return failover.OwnerNobody
	case n.Cache == side+1:
		return failover.OwnerSelf
	}
	return failover.OwnerElsewhere
}

// probe tells who answers an ARP probe of an appliance; answers: its peer does, if it is
// reached.
func (n *Network) probe(side int, answers bool) failover.ProbeResult {
	linked := n.Link[Alpha] && n.Link[Beta]
	switch {
	case !n.Gateway[side] && !n.Link[Alpha] && !n.Link[Beta]:
		return failover.ProbeImpossible // cable out
	case n.Squatter, answers && linked:
		return failover.ProbeOwned
	}
	return failover.ProbeSilent
}
