package api

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

// Addresses is about addresses.
type Addresses interface {
	// EnableSharedIP ticks an address of this appliance's configuration file;
	// NotFound if the file does not name it.
	EnableSharedIP(ctx context.Context, address netip.Addr) error
	DisableSharedIP(ctx context.Context, address netip.Addr) error
	// TestIPs pings the addresses, or the saved ones if there are none.
	TestIPs(ctx context.Context, addresses []netip.Addr) ([]pair.Reach, error)
}

// ListSharedIPs lists the shared IPs that the appliance knows.
func ListSharedIPs() Op[Overview, None, []pair.SharedIPStatus] {
	return ask(get("/shared-ip", "shared-ips", pair.Viewer, "Shared IPs that this appliance knows"),
		func(o Overview, ctx context.Context) ([]pair.SharedIPStatus, error) {
			status, err := o.Status(ctx)
			return status.SharedIPs, err
		})
}

// EnableSharedIP ticks a shared IP.
func EnableSharedIP() Op[Addresses, AddressRequest, None] {
	return orderWith(post("/shared-ip/enable", "enable-shared-ip", pair.Administrator, "Tick a shared IP"), tick(Addresses.EnableSharedIP))
}

// DisableSharedIP unticks a shared IP.
func DisableSharedIP() Op[Addresses, AddressRequest, None] {
	return orderWith(post("/shared-ip/disable", "disable-shared-ip", pair.Administrator, "Untick a shared IP"), tick(Addresses.DisableSharedIP))
}

// PingTestIPs pings the given or the saved test IPs.
func PingTestIPs() Op[Addresses, TestIPsRequest, []pair.Reach] {
	return askWith(post("/test-ips", "test-ips", pair.Operator, "Ping the given or the saved Network Connectivity Test IPs").within(time.Minute),
		func(r Addresses, ctx context.Context, request TestIPsRequest) ([]pair.Reach, error) {
			addresses, err := parseIPs(request.IPs)
			if err != nil {
				return nil, err
			}
			return r.TestIPs(ctx, addresses)
		})
}

func (s *Server) serveAddresses() {
	serve(s, s.backend.Overview, ListSharedIPs())
	serve(s, s.backend.Addresses, EnableSharedIP())
	serve(s, s.backend.Addresses, DisableSharedIP())
	serve(s, s.backend.Addresses, PingTestIPs())
}

// AddressRequest names a shared IP, with or without the length of its network.
type AddressRequest struct {
	Address string `json:"address" minLength:"1" maxLength:"64"`
}

// TestIPsRequest names the addresses to ping; none: the saved ones.
type TestIPsRequest struct {
	IPs []string `json:"ips,omitempty" maxItems:"32"`
}

// tick hands the address of a request to act.
func tick(act func(Addresses, context.Context, netip.Addr) error) func(Addresses, context.Context, AddressRequest) error {
	return func(r Addresses, ctx context.Context, request AddressRequest) error {
		text, _, _ := strings.Cut(request.Address, "/")
		address, err := netip.ParseAddr(text)
		if err != nil {
			return pair.Refuse(pair.Usage, "%q is not an address: write it as baton shared-ip list shows it", request.Address)
		}
		return act(r, ctx, address.Unmap())
	}
}

func parseIPs(texts []string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	for _, text := range texts {
		address, err := netip.ParseAddr(text)
		if err != nil || address.IsMulticast() || address.IsUnspecified() {
			return nil, pair.Refuse(pair.Usage, "%q cannot be pinged: write an IP address like 198.51.100.1 or 2001:db8::1", text)
		}
		if !slices.Contains(addresses, address.Unmap()) {
			addresses = append(addresses, address.Unmap())
		}
	}
	return addresses, nil
}
