package systemd

import (
	"context"
	"net/netip"

	"baton/internal/cgroup/listening"
)

// held are the ports that systemd holds open by a socket unit, while that runs.
func (m *Manager) held(ctx context.Context, name string) []string {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	all, err := m.conn.GetAllPropertiesContext(ctx, name)
	if err != nil || !(Unit{Active: properties(all).text("ActiveState")}).Runs() {
		return nil
	}
	return properties(all).listen()
}

// listen reads Listen, an array of (type, address), and BindIPv6Only. What is no address and port, as a path, is left out.
func (p properties) listen() (all []string) {
	lines, _ := p["Listen"].([][]any)
	for _, line := range lines {
		const fields = 2
		if len(line) != fields {
			continue
		}
		kind, _ := line[0].(string)
		text, _ := line[1].(string)
		protocol := map[string]string{"Stream": "tcp", "Datagram": "udp"}[kind]
		address, err := netip.ParseAddrPort(text)
		if protocol == "" || err != nil {
			continue
		}
		socket := listening.Socket{Protocol: protocol, Address: address, Both: address.Addr().Is6() && p.text("BindIPv6Only") != "ipv6-only"}
		all = append(all, socket.String())
	}
	return all
}
