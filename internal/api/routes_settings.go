package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// saveTries bounds how often a change without a version is derived anew.
const saveTries = 5

type settingsAnswer struct {
	ETag string `header:"ETag" doc:"Version of the settings, for If-Match"`
	Body map[string]string
}

type settingsChange struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
	Body    map[string]string
}

// AddressRequest names a shared IP, with or without the length of its network.
type AddressRequest struct {
	Address string `json:"address" minLength:"1" maxLength:"64"`
}

// TestIPsRequest names the addresses to ping; none: the saved ones.
type TestIPsRequest struct {
	IPs []string `json:"ips,omitempty" maxItems:"32"`
}

func (s *Server) addSettings() {
	add(s, endpoint{method: http.MethodGet, path: "/settings", name: "settings", least: pair.Viewer, summary: "All settings of the pair, by key"},
		func(ctx context.Context, _ *none) (*settingsAnswer, error) {
			return settingsOut(s.backend.Settings.Settings(ctx))
		})
	add(s, endpoint{method: http.MethodPatch, path: "/settings", name: "change-settings", least: pair.Administrator, summary: "Change some settings; all of them or none"},
		func(ctx context.Context, in *settingsChange) (*settingsAnswer, error) {
			return settingsOut(s.changeSettings(ctx, in.Body, in.IfMatch))
		})
	add(s, endpoint{method: http.MethodGet, path: "/shared-ip", name: "shared-ips", least: pair.Viewer, summary: "Shared IPs that this appliance knows"},
		func(ctx context.Context, _ *none) (*answer[[]pair.SharedIPStatus], error) {
			status, err := s.backend.Overview.Status(ctx)
			return list(status.SharedIPs, err)
		})
	add(s, endpoint{method: http.MethodPost, path: "/shared-ip/enable", name: "enable-shared-ip", least: pair.Administrator, summary: "Tick a shared IP"},
		func(ctx context.Context, in *question[AddressRequest]) (*none, error) {
			return tick(ctx, in.Body, s.backend.Addresses.EnableSharedIP)
		})
	add(s, endpoint{method: http.MethodPost, path: "/shared-ip/disable", name: "disable-shared-ip", least: pair.Administrator, summary: "Untick a shared IP"},
		func(ctx context.Context, in *question[AddressRequest]) (*none, error) {
			return tick(ctx, in.Body, s.backend.Addresses.DisableSharedIP)
		})
	add(s, endpoint{method: http.MethodPost, path: "/test-ips", name: "test-ips", least: pair.Operator, timeout: time.Minute, summary: "Ping the given or the saved Network Connectivity Test IPs"},
		func(ctx context.Context, in *question[TestIPsRequest]) (*answer[[]pair.Reach], error) {
			addresses, err := parseIPs(in.Body.IPs)
			if err != nil {
				return nil, err
			}
			return list(s.backend.Addresses.TestIPs(ctx, addresses))
		})
}

func settingsOut(saved Saved[pair.Settings], err error) (*settingsAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &settingsAnswer{ETag: etag(saved.Version), Body: pair.Texts(saved.Values)}, nil
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// changeSettings applies changes to the newest settings, which must be at the
// wanted version if one is named.
func (s *Server) changeSettings(ctx context.Context, changes map[string]string, wanted string) (Saved[pair.Settings], error) {
	if len(changes) == 0 {
		return Saved[pair.Settings]{}, pair.Refuse(pair.Usage, "nothing to change: name at least one of %s", strings.Join(pair.Names(pair.Settings{}), ", "))
	}
	var err error
	for range saveTries {
		var current, saved Saved[pair.Settings]
		current, err = s.backend.Settings.Settings(ctx)
		if err != nil {
			return Saved[pair.Settings]{}, err
		}
		if wanted != "" && wanted != "*" && wanted != etag(current.Version) {
			return Saved[pair.Settings]{}, pair.Refuse(pair.Stale, "somebody else changed the settings meanwhile: read them again and repeat the change")
		}
		if current.Values, err = pair.With(current.Values, changes); err != nil {
			return Saved[pair.Settings]{}, err
		}
		saved, err = s.backend.Settings.SaveSettings(ctx, current)
		if err == nil || pair.CodeOf(err) != pair.Stale || wanted != "" {
			return saved, err
		}
	}
	return Saved[pair.Settings]{}, err
}

// tick hands an address to enable or disable.
func tick(ctx context.Context, request AddressRequest, act func(context.Context, netip.Addr) error) (*none, error) {
	text, _, _ := strings.Cut(request.Address, "/")
	address, err := netip.ParseAddr(text)
	if err != nil {
		return nil, pair.Refuse(pair.Usage, "%q is not an address: write it as baton shared-ip list shows it", request.Address)
	}
	return done(act(ctx, address.Unmap()))
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
